"""What Anthropic answered, read alike from a whole answer and from an event."""

from __future__ import annotations

import json
from collections.abc import Mapping

import attrs

from tproxy.core import failures
from tproxy.core.completion import Choice, Tokens
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.providers import complaint
from tproxy.providers.anthropic.request import FORM_TOOL
from tproxy.providers.anthropic.thoughts import Thoughts
from tproxy.providers.calls import check_ids
from tproxy.providers.said import Object, checked, opened, string, whole
from tproxy.providers.translated import failed

_FINISHES = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_SILENT = ("length", "content_filter")  # honest ends of an answer that says nothing
_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


def read(body: bytes, model: Model) -> Object:
    """The message in a body.

    Raises:
        UpstreamFailed: there is none, or an error.
    """
    said = opened(body, model)
    if said.get("type") == "error" or said.get("error"):
        raise complaint.read(None, {}, body, model)
    return said


def choice(said: Object, model: Model, *, by_tool: bool) -> Choice:
    """The one choice of a whole answer; with `by_tool`, a call stands for its text.

    Raises:
        UpstreamFailed: it is unreadable, or says nothing and should have.
    """
    content = said.get("content")
    if not isinstance(content, list):
        raise failed(failures.MALFORMED, model, "no list of content")
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    citations: list[object] = []
    thoughts = Thoughts()
    for one in content:
        block = checked(one, "a block", model)
        match block.get("type"):
            case "text":
                text.append(string(block, "text", model))
                found = block.get("citations")
                found = found if isinstance(found, list) else []
                citations += (cited(citation, model) for citation in found)
            case "thinking":
                thought = string(block, "thinking", model)
                thoughts.begin()
                thoughts.add(thought)
                thoughts.sign(string(block, "signature", model))
                reasoning.append(thought)
            case "redacted_thinking":
                thoughts.redact(string(block, "data", model))
            case "tool_use" if by_tool and block.get("name") == FORM_TOOL:
                text.append(arguments(block, model))
            case "tool_use":
                told = arguments(block, model)
                calls.append(call(block, thoughts, model, told))
    check_ids(calls, model)
    finish = ended(
        said.get("stop_reason"),
        spoke=any(text) or any(reasoning),
        called=bool(calls),
        model=model,
    )
    return Choice(
        "".join(text) or (None if calls else ""),
        finish,
        calls,
        "".join(reasoning),
        {"citations": citations} if citations else {},
    )


def call(
    block: Object, thoughts: Thoughts, model: Model, arguments: str = ""
) -> ToolCall:
    """A call, with what was thought before it; without `arguments` they are to come."""
    id, name = string(block, "id", model), string(block, "name", model)
    if not id or not name:
        raise failed(failures.MALFORMED, model, "a call without an id or a name")
    return ToolCall(id, name, arguments, thoughts.taken())


def arguments(block: Object, model: Model) -> str:
    """Those that a call begins with; "{}" where there are none."""
    return written(block.get("input") or {}, model)


def cited(said: object, model: Model) -> Object:
    """A citation, which goes through as it is, if it can."""
    written(said, model)
    return checked(said, "a citation", model)


def written(said: object, model: Model) -> str:
    """An object as JSON."""
    try:
        return json.dumps(
            checked(said, "an input", model), ensure_ascii=False, allow_nan=False
        )
    except (ValueError, RecursionError):
        raise failed(failures.MALFORMED, model, "an input that is no JSON") from None


def ended(reason: object, *, spoke: bool, called: bool, model: Model) -> str:
    """How an answer ended, in OpenAI's words, all of it considered.

    Raises:
        UpstreamFailed: it did not end, or says nothing and should have.
    """
    if not isinstance(reason, str):
        raise failed(failures.EARLY_END, model, "no stop reason")
    finish = _FINISHES.get(reason, "stop")
    if finish in ("stop", "tool_calls"):
        finish = "tool_calls" if called else "stop"
    if not (spoke or called or finish in _SILENT):
        raise failed(failures.EMPTY, model, "no content")
    return finish


@attrs.define
class Count:
    """Usage, as it is told in pieces; later figures take the place of earlier ones."""

    _figures: dict[str, int] = attrs.field(factory=dict, init=False)
    _reasoning: int | None = attrs.field(default=None, init=False)

    def hear(self, said: object) -> None:
        if not isinstance(said, Mapping):
            return
        for name in (*_COUNTS, "output_tokens"):
            if (figure := whole(said.get(name))) is not None:
                self._figures[name] = figure
        details = said.get("output_tokens_details")
        if isinstance(details, Mapping):
            self._reasoning = whole(details.get("thinking_tokens"))

    @property
    def tokens(self) -> Tokens | None:
        """In OpenAI's sense: what was cached is a part of the prompt."""
        if not self._figures:
            return None
        return Tokens(
            sum(self._figures.get(name, 0) for name in _COUNTS),
            self._figures.get("output_tokens", 0),
            cached=self._figures.get("cache_read_input_tokens"),
            reasoning=self._reasoning,
        )


def tokens(said: object) -> Tokens | None:
    count = Count()
    count.hear(said)
    return count.tokens
