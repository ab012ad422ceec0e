"""Completions and chunks in OpenAI's form, for dialects that answer otherwise.

Source: OpenAI API reference, "The chat completion object" and "The chat completion
chunk object". Beyond it, `reasoning_content` and `extra_content`, as the interface
promises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import attrs

from tproxy.core import sse
from tproxy.core.chat import ChatRequest
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Usage
from tproxy.core.wishes import includes_usage

DONE = b"data: [DONE]\n\n"


@attrs.frozen
class Tokens:
    """Usage in OpenAI's sense: `prompt` holds `cached`, `completion` `reasoning`.

    A provider may count them otherwise; more than the whole is told as all of it.
    """

    prompt: int
    completion: int
    cached: int | None = None
    reasoning: int | None = None

    @property
    def usage(self) -> Usage:
        return Usage(self.prompt, self.completion)

    def said(self) -> dict[str, object]:
        said: dict[str, object] = {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
        }
        if self.cached is not None:
            cached = min(self.cached, self.prompt)
            said["prompt_tokens_details"] = {"cached_tokens": cached}
        if self.reasoning is not None:
            reasoning = min(self.reasoning, self.completion)
            said["completion_tokens_details"] = {"reasoning_tokens": reasoning}
        return said


@attrs.frozen
class Choice:
    """One answer. `content` is None where the model only calls tools."""

    content: str | None
    finish: str
    calls: Sequence[ToolCall] = ()
    reasoning: str = ""
    extra: Mapping[str, object] = attrs.field(factory=dict)  # beside the content

    def said(self, index: int) -> dict[str, object]:
        message: dict[str, object] = {"role": "assistant", "content": self.content}
        message["refusal"] = None
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            message["tool_calls"] = [_call(call) for call in self.calls]
        return {
            "index": index,
            "message": {**message, **self.extra},
            "logprobs": None,
            "finish_reason": self.finish,
        }


def completion(
    chat: ChatRequest,
    model: Model,
    choices: Iterable[Choice],
    tokens: Tokens | None,
    *,
    id: str = "",
    created: int | None = None,
    extra: Mapping[str, object] | None = None,
) -> Reply:
    """A whole answer. `id` and `created` are the provider's, where it gives them."""
    said: dict[str, object] = {
        "id": _id(chat, id),
        "object": "chat.completion",
        "created": chat.created if created is None else created,
        "model": model.name,
        "choices": [choice.said(index) for index, choice in enumerate(choices)],
    }
    if tokens is not None:
        said["usage"] = tokens.said()
    body = _encoded({**said, **(extra or {})})
    return Reply(body, None if tokens is None else tokens.usage)


@attrs.define
class ChunkWriter:
    """Writes the chunks of one stream; each method returns events.

    `begin` fixes the head of all chunks; without it, the first chunk does. The role is
    told once for each choice, with its first delta.
    """

    _chat: ChatRequest
    _model: Model
    _head: dict[str, object] = attrs.field(factory=dict, init=False)
    _spoken: set[int] = attrs.field(factory=set, init=False)
    _shows_usage: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._shows_usage = includes_usage(self._chat.document.values)

    def begin(self, *, id: str = "", created: int | None = None) -> None:
        """The provider's own id and time, in seconds since the epoch."""
        if not self._head:
            self._head = {
                "id": _id(self._chat, id),
                "object": "chat.completion.chunk",
                "created": self._chat.created if created is None else created,
                "model": self._model.name,
            }
            if self._shows_usage:  # known at the end only, but named in each chunk
                self._head["usage"] = None

    def text(self, text: str, index: int = 0) -> bytes:
        return self.delta({"content": text}, index)

    def reasoning(self, text: str, index: int = 0) -> bytes:
        return self.delta({"reasoning_content": text}, index)

    def call(self, place: int, call: ToolCall, index: int = 0) -> bytes:
        """A call to a tool, with all or the first of its arguments.

        `place` counts the calls of a choice from 0.
        """
        return self.delta({"tool_calls": [{"index": place, **_call(call)}]}, index)

    def arguments(self, place: int, text: str, index: int = 0) -> bytes:
        """More of the arguments of the call at `place`."""
        call = {"index": place, "function": {"arguments": text}}
        return self.delta({"tool_calls": [call]}, index)

    def delta(self, delta: Mapping[str, object], index: int = 0) -> bytes:
        if index not in self._spoken:
            self._spoken.add(index)
            delta = {"role": "assistant", **delta}
        return self._event([_choice(index, delta, None)])

    def finish(self, reason: str, index: int = 0) -> bytes:
        delta = {} if index in self._spoken else {"role": "assistant"}
        self._spoken.add(index)
        return self._event([_choice(index, delta, reason)])

    def end(
        self, tokens: Tokens | None, extra: Mapping[str, object] | None = None
    ) -> bytes:
        """The usage, if the client asked for it, and the end mark."""
        if tokens is None or not self._shows_usage:
            return DONE
        return self._event([], {"usage": tokens.said(), **(extra or {})}) + DONE

    def _event(
        self,
        choices: Sequence[Mapping[str, object]],
        extra: Mapping[str, object] | None = None,
    ) -> bytes:
        self.begin()
        said = {**self._head, "choices": choices, **(extra or {})}
        return sse.encode(_encoded(said))


def _choice(
    index: int, delta: Mapping[str, object], finish: str | None
) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}


def _call(call: ToolCall) -> dict[str, object]:
    said: dict[str, object] = {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if call.extra:
        said["extra_content"] = call.extra
    return said


def _id(chat: ChatRequest, given: str) -> str:
    found = given or chat.id or "0"
    return found if found.startswith("chatcmpl-") else f"chatcmpl-{found}"


def _encoded(said: Mapping[str, object]) -> bytes:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "backslashreplace"
    )
