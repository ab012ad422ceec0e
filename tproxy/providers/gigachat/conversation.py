"""A chat as GigaChat can hear it: one system message, and one call in each turn."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import attrs

from tproxy.core import message
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import Link, Message, Text, ToolCall
from tproxy.core.model import Model
from tproxy.core.wishes import unsupported
from tproxy.providers.gigachat import calls
from tproxy.providers.gigachat.names import spelt


@attrs.frozen
class Said:
    """What the user or the model said. `files` are ids of files at the provider."""

    role: str  # "user" or "assistant"
    text: str = attrs.field(repr=False)
    files: tuple[str, ...] = ()
    call: ToolCall | None = None
    state: str = ""


@attrs.frozen
class Result:
    """What the function `name` came to. `state` is that of the call it answers."""

    name: str
    value: dict[str, object] = attrs.field(repr=False)
    state: str = ""


@attrs.frozen
class Conversation:
    system: str = attrs.field(repr=False)
    turns: tuple[Said | Result, ...]


def read(chat: ChatRequest, model: Model) -> Conversation:
    """Read the messages of `chat`.

    Raises:
        InvalidRequest: one is of the wrong form; `param` is its path.
        UpstreamFailed: `UNSUPPORTED`, where one holds what has to be uploaded first.
    """
    messages = message.read(chat.document.values.get("messages"))
    system = [_text(m, model) for m in messages if m.role == "system"]
    others = [m for m in messages if m.role != "system"]
    return Conversation("\n\n".join(filter(None, system)), tuple(_turns(others, model)))


def _turns(messages: Sequence[Message], model: Model) -> Iterable[Said | Result]:
    """A call and its result are put side by side where several were made at once."""
    at = 0
    while at < len(messages):
        said = messages[at]
        at += 1
        if said.role == "tool":
            yield _result(said, model)
        elif said.role == "user":
            yield Said("user", said.text, tuple(_files(said, model)))
        elif not said.calls:
            yield Said("assistant", _text(said, model))
        else:
            end = at
            while end < len(messages) and messages[end].role == "tool":
                end += 1
            yield from _called(said, messages[at:end], model)
            at = end


def _called(
    said: Message, results: Sequence[Message], model: Model
) -> Iterable[Said | Result]:
    text = _text(said, model)
    for call in said.calls:
        state = calls.state(call)
        yield Said("assistant", text, call=call, state=state)
        text = ""
        for result in results:
            if result.call_id == call.id:
                yield _result(result, model, state)
    known = {call.id for call in said.calls}
    for result in results:
        if result.call_id not in known:
            yield _result(result, model)


def _files(said: Message, model: Model) -> Iterable[str]:
    for index, part in enumerate(said.parts):
        if isinstance(part, Link) and "://" not in part.url:
            yield part.url
        elif not isinstance(part, Text):
            raise _unheard(said, index, model)


def _text(said: Message, model: Model) -> str:
    for index, part in enumerate(said.parts):
        if not isinstance(part, Text):
            raise _unheard(said, index, model)
    return said.text


def _unheard(said: Message, index: int, model: Model) -> UpstreamFailed:
    path = f"{said.path}.content[{index}]"
    return unsupported(model, path, "a file has to be uploaded to the provider first")


def _result(said: Message, model: Model, state: str = "") -> Result:
    if not said.name:
        raise unsupported(model, f"{said.path}.tool_call_id", "it answers no call")
    return Result(spelt(said.name), _object(_text(said, model)), state)


def _object(text: str) -> dict[str, object]:
    """A result as the object it has to be, whatever a tool returned."""
    try:
        value: object = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError):
        value = text
    return value if isinstance(value, dict) else {"result": value}


def _refused(name: str) -> None:
    raise ValueError(name)  # NaN is no JSON
