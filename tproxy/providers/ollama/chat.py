"""Chats with models that Ollama runs."""

from __future__ import annotations

import attrs

from tproxy.core import completion, failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import Choice, ChunkWriter, Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.core.upstream import (
    Reply,
    StreamReader,
    UpstreamHead,
    UpstreamRequest,
    Usage,
)
from tproxy.providers import complaint
from tproxy.providers.calls import MOST_CALLS, call_id
from tproxy.providers.ollama import answer, request
from tproxy.providers.ollama.lines import Lines
from tproxy.providers.said import stream_kind
from tproxy.providers.translated import Translated


@attrs.frozen
class Chat:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return request.build(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = answer.read(body, model)
        if not said.done:
            raise UpstreamFailed.of(model.name, failures.EARLY_END, "not done")
        ids: set[str] = set()
        choice = Choice(
            said.text or (None if said.calls else ""),
            answer.ended(
                said.reason,
                spoke=said.says_something,
                called=bool(said.calls),
                model=model,
            ),
            [
                ToolCall(call_id(call.id, ids, chat), call.name, call.arguments)
                for call in said.calls
            ],
            said.reasoning,
        )
        return completion.completion(chat, model, [choice], said.tokens)

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        stream_kind(head, model)  # is not looked at: a whole answer is a line, too
        return Lines(Translated(_Speech(chat, model), model))


@attrs.define
class _Speech:
    """The `translated.Speech` of this dialect."""

    _chat: ChatRequest
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    _chunks: ChunkWriter = attrs.field(init=False)
    _ids: set[str] = attrs.field(factory=set, init=False)  # of calls
    _tokens: Tokens | None = attrs.field(default=None, init=False)
    _done: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = ChunkWriter(self._chat, self._model)

    @property
    def usage(self) -> Usage | None:
        return None if self._tokens is None else self._tokens.usage

    def take(self, event: sse.Event) -> bytes:
        if self._done:
            return b""
        said = answer.read(event.data or b"", self._model)
        self._tokens = said.tokens or self._tokens
        ready = self._chunks.reasoning(said.reasoning) if said.reasoning else b""
        if said.text:
            ready += self._chunks.text(said.text)
        for call in said.calls:
            ready += self._call(call)
        self.begun = self.begun or bool(ready)
        return ready + self._end(said.reason) if said.done else ready

    def end(self) -> bytes:
        if not self._done:
            raise UpstreamFailed.of(self._model.name, failures.EARLY_END, "not done")
        return b""

    def _call(self, call: answer.Call) -> bytes:
        place = len(self._ids)
        if place == MOST_CALLS:
            detail = "calls without end"
            raise UpstreamFailed.of(self._model.name, failures.MALFORMED, detail)
        id = call_id(call.id, self._ids, self._chat)
        return self._chunks.call(place, ToolCall(id, call.name, call.arguments))

    def _end(self, reason: str) -> bytes:
        finish = answer.ended(
            reason, spoke=self.begun, called=bool(self._ids), model=self._model
        )
        self.begun = self._done = True
        return self._chunks.finish(finish) + self._chunks.end(self._tokens)
