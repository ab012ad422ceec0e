"""What Ollama answered, read alike from a whole answer and from a line of a stream."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tproxy.core import failures
from tproxy.core.completion import Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.providers import calls, complaint
from tproxy.providers.said import checked, listed, opened, string, whole


@attrs.frozen
class Call:
    """`id` is "" where Ollama gives none, as it long did not."""

    id: str
    name: str
    arguments: str = attrs.field(repr=False)


@attrs.frozen
class Answer:
    """All of it, or what a line adds. `reason` says why it is `done`."""

    text: str = attrs.field(repr=False)
    reasoning: str = attrs.field(repr=False)
    calls: Sequence[Call]
    done: bool
    reason: str
    tokens: Tokens | None

    @property
    def says_something(self) -> bool:
        return bool(self.text or self.reasoning or self.calls)


def read(data: bytes, model: Model) -> Answer:
    """Read a body, or a line.

    Raises:
        UpstreamFailed: it is an error, or unreadable; or the model botched a call.
    """
    said = opened(data, model)
    if said.get("error"):
        raise complaint.read(None, {}, data, model)
    message = checked(said.get("message"), "a message", model)
    return Answer(
        text=string(message, "content", model),
        reasoning=string(message, "thinking", model),
        calls=[_call(one, model) for one in listed(message, "tool_calls", model)],
        done=said.get("done") is True,
        reason=string(said, "done_reason", model),
        # What the prompt cache spared is not counted, and then not told at all.
        tokens=_tokens(said.get("prompt_eval_count"), said.get("eval_count")),
    )


def ended(reason: str, *, spoke: bool, called: bool, model: Model) -> str:
    """How an answer ended, in OpenAI's words. Old versions do not say.

    Raises:
        UpstreamFailed: `EMPTY`, it says nothing and should have.
    """
    if reason == "length":
        return reason
    if called:
        return "tool_calls"
    if not spoke:  # also where a model was only loaded or unloaded
        raise UpstreamFailed.of(model.name, failures.EMPTY, "no content")
    return "stop"


def _call(said: object, model: Model) -> Call:
    call = checked(said, "a call", model)
    function = checked(call.get("function"), "a function", model)
    name = string(function, "name", model)
    if not name:
        raise UpstreamFailed.of(model.name, failures.MALFORMED, "a call without a name")
    arguments = calls.written(function.get("arguments"), model)
    return Call(string(call, "id", model), name, arguments)


def _tokens(prompt: object, completion: object) -> Tokens | None:
    counts = whole(prompt), whole(completion)
    return None if counts == (None, None) else Tokens(counts[0] or 0, counts[1] or 0)
