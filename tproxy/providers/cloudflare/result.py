"""What a model answers: the envelope, and the values in it that come in many forms.

    {"result": {"response": "Hi", "tool_calls": [], "usage": {}}, "success": true,
     "errors": [], "messages": []}

Newer models put a completion of OpenAI's form into `result`, at times with the old
members beside it. Source: Cloudflare documentation, "Workers AI, function calling" and
"JSON mode"; and recorded traffic.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import NoneType
from typing import Final

import attrs

from tproxy.core import failures
from tproxy.core.completion import Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamHead
from tproxy.providers import complaint
from tproxy.providers.said import Object, parsed, whole

HONEST_SILENCE: Final = ("length", "content_filter")  # ends without a word


def opened(head: UpstreamHead, body: bytes, model: Model) -> Object:
    """The `result` in an envelope, or what stands there without one.

    Raises:
        UpstreamFailed: it is an error, empty, or no JSON object.
    """
    if not body.strip():
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no body")
    said = parsed(body)
    if not isinstance(said, dict):
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "no JSON object")
    if is_error(said):
        raise complaint.read(None, head.headers, body, model)
    result = said.get("result", said)
    if isinstance(result, dict):
        return result
    row = failures.MALFORMED if result else failures.EMPTY
    raise UpstreamFailed.of(model.name, row, "no object in the envelope")


def is_error(said: Object) -> bool:
    return said.get("success") is False or bool(said.get("errors") or said.get("error"))


def id_of(said: Object) -> str:
    """The provider's id of an answer or a chunk; "" where it gives none."""
    id = said.get("id")
    return id if isinstance(id, str) else ""


def created_of(said: Object) -> int | None:
    created = said.get("created")
    return created if type(created) is int and created > 0 else None


def objects(said: object) -> Sequence[Object]:
    """The objects in an array; none where there is no array."""
    if not isinstance(said, list):
        return ()
    return [one for one in said if isinstance(one, dict)]


def text(said: object) -> str:
    """Text that may have been read as JSON on its way: a number, or an object."""
    match said:
        case None:
            return ""
        case str():
            return said
        case [{"text": str()}, *_]:
            parts = (part.get("text") for part in objects(said))
            return "".join(part for part in parts if isinstance(part, str))
    return _written(said)


def thoughts(said: Object) -> str:
    """Told under two names, by gpt-oss under both."""
    return text(said.get("reasoning_content") or said.get("reasoning"))


@attrs.frozen
class CallPart:
    """A call, or a part of one, in the old form or OpenAI's.

    `arguments` is None where there are none; in the old form they are whole, and so is
    the call then.
    """

    index: int | None
    id: str
    name: str
    arguments: str | None
    is_whole: bool

    @classmethod
    def of(cls, said: Object) -> CallPart:
        function = said.get("function")
        inner = function if isinstance(function, dict) else said
        index, id, name = said.get("index"), said.get("id"), inner.get("name")
        arguments = inner.get("arguments")
        return cls(
            index if type(index) is int else None,
            id if isinstance(id, str) else "",
            name if isinstance(name, str) else "",
            None if arguments is None else text(arguments),
            not isinstance(arguments, (str, NoneType)),
        )


def finish(
    said: object, calls: bool, used: Tokens | None, most: int, model: Model
) -> str:
    """Why an answer ended. Old models do not say: they stop, call, or use up `most`.

    Raises:
        UpstreamFailed: it broke down.
    """
    match said:
        case "error":
            raise UpstreamFailed.of(model.name, failures.SERVER, "finish reason error")
        case str() if said in HONEST_SILENCE:
            return said
    if calls:
        return "tool_calls"
    silent = not said and used is not None and used.completion == most
    return "length" if silent else "stop"


def tokens(said: object) -> Tokens | None:
    """Usage; None where the model gives none, as old ones do."""
    if not isinstance(said, dict):
        return None
    prompt = whole(said.get("prompt_tokens"))
    answer = whole(said.get("completion_tokens"))
    if prompt is None and answer is None:
        return None
    details = said.get("prompt_tokens_details")
    cached = whole(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Tokens(prompt or 0, answer or 0, cached)


def _written(said: object) -> str:
    try:
        return json.dumps(said, ensure_ascii=False)
    except RecursionError:  # what can just be read may be too deep to be written
        return ""
