"""What a provider said, whose members may be of any type until they are looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from json.scanner import make_scanner

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.tokens import MOST
from tproxy.core.upstream import UpstreamHead

Object = Mapping[str, object]

_BLANK = " \t\n\r"
_scan = make_scanner(json.JSONDecoder())  # type: ignore[arg-type]  # typeshed errs
_NO_STREAMS = ("text/html", "application/xml")


def parsed(data: bytes) -> object:
    """The JSON value in a body or an event; None where there is none."""
    try:
        text = data.decode().removeprefix("\ufeff").strip(_BLANK)
        said: object
        said, end = _scan(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    return said if end == len(text) else None


def opened(data: bytes, model: Model) -> Object:
    """The JSON object in a body or an event.

    Raises:
        UpstreamFailed: `EMPTY` or `MALFORMED`, there is none.
    """
    if not data.strip():
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
    return checked(parsed(data), "what was sent", model)


def checked(said: object, what: str, model: Model) -> Object:
    """`said`, an object.

    Raises:
        UpstreamFailed: `MALFORMED`, it is none; so do the other functions here.
    """
    if not isinstance(said, dict):
        raise malformed(model, f"{what} is no object")
    return said


def string(said: Object, name: str, model: Model) -> str:
    """The string called `name`; "" where there is none."""
    value = said.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(model, f"{name} of the wrong type")
    return value


def listed(said: Object, name: str, model: Model) -> list[object]:
    """The list called `name`; an empty one where there is none."""
    value = said.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise malformed(model, f"{name} of the wrong type")
    return value


def whole(said: object) -> int | None:
    """A number of tokens or seconds; None for all else."""
    return said if type(said) is int and 0 <= said <= MOST else None


def stream_kind(head: UpstreamHead, model: Model) -> str:
    """The media type of what should be a stream.

    Raises:
        UpstreamFailed: `MALFORMED`, it cannot be one.
    """
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _NO_STREAMS:
        raise malformed(model, f"a stream of type {kind}")
    return kind


def malformed(model: Model, detail: str) -> UpstreamFailed:
    return UpstreamFailed.of(model.name, failures.MALFORMED, detail)
