"""A stream of the native endpoint, in either of its forms.

    data: {"response":"You","tool_calls":[],"p":"abdefgh"}
    data: {"choices":[{"index":0,"delta":{"content":" are"}}],"p":"abd"}
    data: {"response":"","usage":{"prompt_tokens":10,"completion_tokens":2}}
    data: [DONE]

One stream may hold both, so each event is known by its members; `p` is padding.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import ChunkWriter, Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers import complaint
from tproxy.providers.calls import MOST_CALLS, Arguments, call_id
from tproxy.providers.cloudflare import question, result
from tproxy.providers.cloudflare.result import CallPart
from tproxy.providers.said import Object, parsed


@attrs.define
class Speech:
    """`providers.translated.Speech` of this dialect."""

    _headers: Mapping[str, str]
    _chat: ChatRequest
    _model: Model
    _writer: ChunkWriter
    begun: bool = attrs.field(default=False, init=False)
    _tokens: Tokens | None = attrs.field(default=None, init=False)
    _reason: str = attrs.field(default="", init=False)
    _ended: bool = attrs.field(default=False, init=False)
    _ids: set[str] = attrs.field(factory=set, init=False)  # of calls
    _arguments: Arguments = attrs.field(factory=Arguments, init=False)
    _bare: set[int] = attrs.field(factory=set, init=False)  # without arguments so far
    # Where calls stand, by their ids and by the indexes they were last told with.
    _places: dict[str | int, int] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(cls, head: UpstreamHead, chat: ChatRequest, model: Model) -> Speech:
        return cls(head.headers, chat, model, ChunkWriter(chat, model))

    @property
    def usage(self) -> Usage | None:
        return None if self._tokens is None else self._tokens.usage

    def take(self, event: sse.Event) -> bytes:
        data = event.data or b""
        if self._ended:
            return b""
        if data.strip() == b"[DONE]":
            return self._close()
        said = parsed(data)
        if not isinstance(said, dict):
            detail = "an event that is no JSON object"
            raise UpstreamFailed.of(self._model.name, failures.MALFORMED, detail)
        if event.name == b"error" or result.is_error(said):
            raise complaint.read(None, self._headers, data, self._model)
        inner = said.get("result")
        return self._said(inner if isinstance(inner, dict) else said)

    def end(self) -> bytes:
        if self._ended:
            return b""
        if not self._reason:
            detail = "neither an end mark nor a finish reason"
            raise UpstreamFailed.of(self._model.name, failures.EARLY_END, detail)
        return self._close()

    def _said(self, said: Object) -> bytes:
        self._tokens = result.tokens(said.get("usage")) or self._tokens
        self._writer.begin(id=result.id_of(said), created=result.created_of(said))
        first = next(iter(result.objects(said.get("choices"))), None)
        if first is None:
            return self._delta(said, said.get("response"))
        self._reason = result.text(first.get("finish_reason")) or self._reason
        delta = first.get("delta")
        if not isinstance(delta, dict):
            return b""
        return self._delta(delta, delta.get("content"))

    def _delta(self, said: Object, content: object) -> bytes:
        ready = []
        thoughts, text = result.thoughts(said), result.text(content)
        if thoughts:
            ready.append(self._writer.reasoning(thoughts))
        if text:
            ready.append(self._writer.text(text))
        parts = map(CallPart.of, result.objects(said.get("tool_calls")))
        ready += map(self._call, parts)
        self.begun = self.begun or any(ready)
        return b"".join(ready)

    def _call(self, part: CallPart) -> bytes:
        place = self._place(part)
        is_another = part.is_whole and part.name and place not in self._bare
        if place is None or is_another:
            return self._new_call(part) if part.name else b""
        if not part.arguments:
            return b""
        self._bare.discard(place)
        self._arguments.add(place, part.arguments)
        return self._writer.arguments(place, part.arguments)

    def _place(self, part: CallPart) -> int | None:
        """Where the call stands that `part` goes on with; None if it begins one."""
        if part.id:
            return self._places.get(part.id)
        if part.index is not None:
            return self._places.get(part.index)
        return None if part.name or not self._ids else len(self._ids) - 1

    def _new_call(self, part: CallPart) -> bytes:
        place = len(self._ids)
        if place == MOST_CALLS:
            detail = "calls without end"
            raise UpstreamFailed.of(self._model.name, failures.MALFORMED, detail)
        self._places |= {key: place for key in (part.id, part.index) if key or key == 0}
        id = call_id(part.id, self._ids, self._chat)
        if not part.arguments:
            self._bare.add(place)
        self._arguments.add(place, part.arguments or "")
        return self._writer.call(place, ToolCall(id, part.name, part.arguments or ""))

    def _close(self) -> bytes:
        most = question.output_tokens(self._chat, self._model)
        finish = result.finish(
            self._reason,
            bool(self._ids),
            self._tokens,
            most or question.DEFAULT_TOKENS,
            self._model,
        )
        if not self.begun and finish not in result.HONEST_SILENCE:
            raise UpstreamFailed.of(self._model.name, failures.EMPTY, "no content")
        self._arguments.check(finish, self._model)
        self.begun = self._ended = True
        filled = (self._writer.arguments(place, "{}") for place in sorted(self._bare))
        end = self._writer.finish(finish) + self._writer.end(self._tokens)
        return b"".join(filled) + end
