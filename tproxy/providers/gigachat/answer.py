"""What GigaChat answered, read alike from both contracts, whole or as an event.

In v1 an answer is a choice with a message or a delta, as OpenAI's; in v2 it is messages
whose contents are lists of parts.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from tproxy.core import failures
from tproxy.core.completion import Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.providers import calls
from tproxy.providers.gigachat import wire
from tproxy.providers.said import Object, malformed, whole

_FILTERED = (
    *("blacklist", "request_blacklist", "response_blacklist"),
    *("request_whitelist", "request_filter"),
)
_FINISHES = {"length": "length", **dict.fromkeys(_FILTERED, "content_filter")}
_BREAKDOWNS = ("error", "function_call_error")  # the model's arguments are invalid
_SPEAKERS = ("assistant", "reasoning", None)  # others tell of work under way
_STATES = ("functions_state_id", "tool_state_id", "tools_state_id")


@attrs.frozen
class Call:
    """A function that is to be called; `arguments` is JSON of an object."""

    name: str
    arguments: str = attrs.field(repr=False)
    state: str = ""


@attrs.frozen
class Answer:
    """A whole answer, or what one event adds to it.

    `finish` is in OpenAI's words; None where this is not the end. `files` are ids of
    pictures, of v2 only. `created` is in seconds since the epoch.
    """

    text: str = attrs.field(repr=False)
    reasoning: str = attrs.field(repr=False)
    calls: tuple[Call, ...]
    files: tuple[str, ...]
    finish: str | None
    tokens: Tokens | None
    created: int | None


def read(data: bytes, model: Model) -> Answer:
    """Read a body, or the data of an event.

    Raises:
        UpstreamFailed: it is an error, or unreadable; or the model broke down.
    """
    said = wire.opened(data, model)
    around, found = _messages(said, model)
    messages = [m for m in found if m.get("role") in _SPEAKERS]
    return Answer(
        text="".join(_texts(messages, model)),
        reasoning="".join(_thoughts(messages, model)),
        calls=tuple(_calls(messages, _state(said), model)),
        files=tuple(_files(messages, model)),
        finish=_finish(around.get("finish_reason"), model),
        tokens=_tokens(said.get("usage")),
        created=whole(said.get("created", said.get("created_at"))),
    )


def ended(finish: str | None, *, spoke: bool, called: bool, model: Model) -> str:
    """How an answer ended, in OpenAI's words, all that it said considered.

    Raises:
        UpstreamFailed: `EMPTY`, where it says nothing and should have.
    """
    if called:
        return "tool_calls"
    if finish in ("length", "content_filter"):
        return finish
    if not spoke:
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no content")
    return "stop"


def _messages(said: Object, model: Model) -> tuple[Object, list[Object]]:
    """The messages, and what the finish reason stands in."""
    if "choices" not in said:
        return said, wire.objects(said.get("messages"), "messages", model)
    first = next(iter(wire.objects(said["choices"], "choices", model)), {})
    inner = first.get("delta") or first.get("message")
    return first, wire.objects([inner] if inner else None, "a message", model)


def _texts(messages: Iterable[Object], model: Model) -> Iterable[str]:
    for message in messages:
        if message.get("role") != "reasoning":
            for part in _parts(message, model):
                yield wire.string(part.get("text"), "text", model)


def _thoughts(messages: Iterable[Object], model: Model) -> Iterable[str]:
    for message in messages:
        yield wire.string(message.get("reasoning_content"), "reasoning", model)
        if message.get("role") == "reasoning":
            for part in _parts(message, model):
                yield wire.string(part.get("text"), "reasoning", model)


def _parts(message: Object, model: Model) -> list[Object]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"text": content}]
    return wire.objects(content, "content", model)


def _calls(messages: Iterable[Object], state: str, model: Model) -> Iterable[Call]:
    """The calls, which in v2 stand among the parts or beside them."""
    for message in messages:
        found = [part.get("function_call") for part in _parts(message, model)]
        found = [call for call in found if call] or [message.get("function_call")]
        for call in wire.objects([call for call in found if call], "a call", model):
            name = wire.string(call.get("name"), "a name", model)
            if not name:
                raise malformed(model, "a call without a name")
            arguments = calls.written(call.get("arguments"), model)
            yield Call(name, arguments, _state(message) or state)


def _files(messages: Iterable[Object], model: Model) -> Iterable[str]:
    for message in messages:
        for part in _parts(message, model):
            for file in wire.objects(part.get("files"), "files", model):
                yield wire.string(file.get("id"), "the id of a file", model)


def _state(said: Object) -> str:
    found = next((said[name] for name in _STATES if said.get(name)), "")
    return found if isinstance(found, str) else ""


def _finish(said: object, model: Model) -> str | None:
    if said in _BREAKDOWNS:
        detail = f"finish reason {said}"
        raise UpstreamFailed.of(model.name, failures.MODEL_FAULT, detail)
    reason = wire.string(said, "a finish reason", model)
    return _FINISHES.get(reason, "stop") if reason else None


def _tokens(said: object) -> Tokens | None:
    if not isinstance(said, dict):
        return None
    details = said.get("input_tokens_details")
    if isinstance(details, dict):
        cached = details.get("cached_tokens")
    else:
        cached = said.get("precached_prompt_tokens")
    prompt = whole(said.get("prompt_tokens", said.get("input_tokens")))
    completion = whole(said.get("completion_tokens", said.get("output_tokens")))
    if prompt is None and completion is None:
        return None
    return Tokens(prompt or 0, completion or 0, cached=whole(cached))
