"""A stream of Anthropic's, told as OpenAI's.

A message is a row of blocks, each with a start, deltas and a stop; one after another.
"""

from __future__ import annotations

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import ChunkWriter
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Usage
from tproxy.providers import complaint
from tproxy.providers.anthropic import answer
from tproxy.providers.anthropic.answer import Count
from tproxy.providers.anthropic.request import FORM_TOOL
from tproxy.providers.anthropic.thoughts import Thoughts
from tproxy.providers.calls import MOST_CALLS
from tproxy.providers.said import Object, checked, opened, string
from tproxy.providers.translated import failed

_DELTAS = {  # and the kinds of block they belong to
    "text_delta": "text",
    "citations_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "thinking",
    "input_json_delta": "tool_use",
}


@attrs.define
class Speech:
    """The `translated.Speech` of this dialect."""

    _chat: ChatRequest
    _model: Model
    _by_tool: bool  # a call stands for the text
    begun: bool = attrs.field(default=False, init=False)
    _chunks: ChunkWriter = attrs.field(init=False)
    _thoughts: Thoughts = attrs.field(factory=Thoughts, init=False)
    _count: Count = attrs.field(factory=Count, init=False)
    _block: Object | None = attrs.field(default=None, init=False)  # the open one
    _index: object = attrs.field(default=None, init=False)  # of that block
    _argued: bool = attrs.field(default=False, init=False)  # its arguments have begun
    _ids: set[str] = attrs.field(factory=set, init=False)  # of calls
    _cited: int = attrs.field(default=0, init=False)
    _reason: object = attrs.field(default=None, init=False)
    _stopped: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = ChunkWriter(self._chat, self._model)

    @property
    def usage(self) -> Usage | None:
        tokens = self._count.tokens
        return None if tokens is None else tokens.usage

    def take(self, event: sse.Event) -> bytes:
        data = (event.data or b"").strip()
        if self._stopped or data in (b"", b"[DONE]"):
            return b""
        said = opened(data, self._model)
        match said.get("type"):
            case "content_block_delta":
                return self._delta(said)
            case "content_block_start":
                return self._start(said)
            case "content_block_stop":
                return self._stop()
            case "message_start":
                message = checked(said.get("message"), "a message", self._model)
                self._chunks.begin(id=string(message, "id", self._model))
                self._count.hear(message.get("usage"))
            case "message_delta":
                delta = checked(said.get("delta"), "a delta", self._model)
                self._reason = delta.get("stop_reason") or self._reason
                self._count.hear(said.get("usage"))
            case "message_stop":
                self._stopped = True
            case kind if kind == "error" or said.get("error"):
                raise complaint.read(None, {}, data, self._model)
        return b""

    def end(self) -> bytes:
        if not self._stopped:
            raise failed(failures.EARLY_END, self._model, "no end of the message")
        ready = self._stop()
        finish = answer.ended(
            self._reason,
            spoke=self.begun,
            called=bool(self._ids),
            model=self._model,
        )
        self.begun = True
        return (
            ready + self._chunks.finish(finish) + self._chunks.end(self._count.tokens)
        )

    def _start(self, said: Object) -> bytes:
        ready = self._stop()
        block = checked(said.get("content_block"), "a block", self._model)
        self._block, self._index, self._argued = block, said.get("index"), False
        match block.get("type"):
            case "text":
                return ready + self._text(string(block, "text", self._model))
            case "thinking":
                self._thoughts.begin()
                return ready + self._think(block)
            case "redacted_thinking":
                data = string(block, "data", self._model)
                self._thoughts.redact(data)
            case "tool_use" if not self._is_form(block):
                call = answer.call(block, self._thoughts, self._model)
                if call.id in self._ids:
                    raise self._malformed("an id twice")
                if len(self._ids) == MOST_CALLS:
                    raise self._malformed("calls without end")
                ready += self._chunks.call(len(self._ids), call)
                self._ids.add(call.id)
                self.begun = True
        return ready

    def _delta(self, said: Object) -> bytes:
        block = self._block
        if block is None or said.get("index") != self._index:
            raise self._malformed("a delta of no open block")
        delta = checked(said.get("delta"), "a delta", self._model)
        kind = delta.get("type")
        if not isinstance(kind, str) or kind not in _DELTAS:
            return b""
        if block.get("type") != _DELTAS[kind]:
            if kind == "input_json_delta":  # of a tool that Anthropic runs itself
                return b""
            raise self._malformed("a delta of another kind of block")
        match kind:
            case "text_delta":
                return self._text(string(delta, "text", self._model))
            case "citations_delta":
                return self._cite(delta)
            case "input_json_delta":
                return self._argue(string(delta, "partial_json", self._model))
        return self._think(delta)

    def _stop(self) -> bytes:
        """Close the open block; a call without arguments has its input, or none."""
        block = self._block
        ready = b""
        if block is not None and block.get("type") == "tool_use" and not self._argued:
            ready = self._argue(answer.arguments(block, self._model))
        self._block = None
        return ready

    def _text(self, text: str) -> bytes:
        if not text:
            return b""
        self.begun = True
        return self._chunks.text(text)

    def _think(self, said: Object) -> bytes:
        text = string(said, "thinking", self._model)
        signature = string(said, "signature", self._model)
        if signature:
            self._thoughts.sign(signature)
        if not text:
            return b""
        self._thoughts.add(text)
        self.begun = True
        return self._chunks.reasoning(text)

    def _argue(self, text: str) -> bytes:
        if not text:
            return b""
        self._argued = True
        if self._block is not None and self._is_form(self._block):
            return self._text(text)
        return self._chunks.arguments(len(self._ids) - 1, text)

    def _cite(self, delta: Object) -> bytes:
        citation = answer.cited(delta.get("citation"), self._model)
        # OpenAI's clients put together what is streamed in lists by an index.
        numbered = {**citation, "index": self._cited}
        self._cited += 1
        try:
            return self._chunks.delta({"citations": [numbered]})
        except RecursionError:
            raise self._malformed("a deep citation") from None

    def _is_form(self, block: Object) -> bool:
        return self._by_tool and block.get("name") == FORM_TOOL

    def _malformed(self, detail: str) -> UpstreamFailed:
        return failed(failures.MALFORMED, self._model, detail)
