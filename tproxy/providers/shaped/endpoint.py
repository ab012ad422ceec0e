"""Asking and hearing an endpoint of OpenAI's shape."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tproxy.core import failures, tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Received, UpstreamRequest, Usage
from tproxy.providers import complaint

_OF_IMAGES = ("input_tokens", "output_tokens")
_OF_TEXTS = ("prompt_tokens", "completion_tokens")


def request(
    model: Model, body: bytes, dropped: tuple[str, ...] = ()
) -> UpstreamRequest:
    """What to send; no credentials in it yet."""
    return UpstreamRequest(
        method="POST",
        url=model.upstream.url,
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", "application/json"),
            *model.upstream.headers,
        ),
        body=body,
        dropped=dropped,
    )


def answer(
    received: Received, model: Model
) -> tuple[dict[str, object], list[dict[str, object]]]:
    """What was answered, and the objects in its `data`, of which there is one at least.

    Raises:
        UpstreamFailed: it is an error in disguise, empty or unreadable.
    """
    if not received.body.strip():
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
    said = _parsed(received.body)
    if _is_error(said):
        raise complaint.read(None, received.head.headers, received.body, model)
    if not isinstance(said, dict):
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "no JSON object")
    data = said.get("data")
    if data is None or data == []:
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "data of no objects")
    return said, data


def usage(said: Mapping[str, object]) -> Usage | None:
    """Tokens as told, by either of OpenAI's pairs of names."""
    told = said.get("usage")
    if not isinstance(told, dict):
        return None
    for names in (_OF_IMAGES, _OF_TEXTS):
        prompt, completion = (tokens.counted(told.get(name)) for name in names)
        if prompt or completion:
            return Usage(prompt, completion)
    return None


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_error(said: object) -> bool:
    if not isinstance(said, dict):
        return False
    if said.get("error") or said.get("object") == "error":
        return True
    words = ("detail", "message", "msg", "errors")
    return "data" not in said and any(said.get(name) for name in words)
