"""JSON from GigaChat, whose members may be of any type until they are looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.providers import complaint

Object = Mapping[str, object]

_MOST = 1 << 53  # a larger number is no number of tokens or seconds
_ANSWERS = {"choices", "messages", "data"}


def opened(data: bytes, model: Model) -> Object:
    """The object in a body, or in the data of an event.

    Raises:
        UpstreamFailed: it is an error; `EMPTY` or `MALFORMED`, where there is none.
    """
    if not data.strip():
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise malformed(model, "no JSON object")
    if said.get("error") or ("message" in said and not _ANSWERS & said.keys()):
        raise complaint.read(None, {}, data, model)
    return said


def objects(said: object, what: str, model: Model) -> list[Object]:
    """A list of objects; none where it is missing."""
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise malformed(model, f"{what} of the wrong type")
    return said


def string(said: object, what: str, model: Model) -> str:
    """Text; "" where it is missing."""
    if said is None:
        return ""
    if not isinstance(said, str):
        raise malformed(model, f"{what} of the wrong type")
    return said


def whole(said: object) -> int | None:
    """A number of tokens or seconds; None for all else."""
    return said if type(said) is int and 0 <= said < _MOST else None


def malformed(model: Model, detail: str) -> UpstreamFailed:
    return UpstreamFailed.of(model.name, failures.MALFORMED, detail)
