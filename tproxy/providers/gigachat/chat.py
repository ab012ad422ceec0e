"""Chats with GigaChat."""

from __future__ import annotations

from functools import partial

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
from tproxy.providers.gigachat import answer, calls, question
from tproxy.providers.gigachat.names import meant
from tproxy.providers.said import stream_kind
from tproxy.providers.translated import Translated
from tproxy.providers.unstreamed import Unstreamed


@attrs.frozen
class Chat:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return question.chat(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = answer.read(body, model)
        spoke, called = bool(said.text or said.reasoning), bool(said.calls)
        finish = answer.ended(said.finish, spoke=spoke, called=called, model=model)
        choice = Choice(
            said.text or (None if called else ""),
            finish,
            [_tool_call(chat, place, call) for place, call in enumerate(said.calls)],
            said.reasoning,
        )
        return completion.completion(
            chat, model, [choice], said.tokens, created=said.created
        )

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        if stream_kind(head, model).endswith("json"):
            parse = partial(self.parse_response, head, chat=chat, model=model)
            return Unstreamed(parse, chat, model)
        return Translated(_Speech(chat, model), model)


@attrs.define
class _Speech:
    """The `translated.Speech` of this dialect.

    The end is told when all has been said: v2 has no end mark, and its last event may
    hold a call.
    """

    _chat: ChatRequest
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    _chunks: ChunkWriter = attrs.field(init=False)
    _spoke: bool = attrs.field(default=False, init=False)
    _called: int = attrs.field(default=0, init=False)
    _finish: str | None = attrs.field(default=None, init=False)
    _tokens: Tokens | None = attrs.field(default=None, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = ChunkWriter(self._chat, self._model)

    @property
    def usage(self) -> Usage | None:
        return None if self._tokens is None else self._tokens.usage

    def take(self, event: sse.Event) -> bytes:
        data = (event.data or b"").strip()
        if self._ended or not data:
            return b""
        if data == b"[DONE]":
            return self._end()
        if event.name.endswith(b"error"):
            raise complaint.read(None, {}, data, self._model)
        said = answer.read(data, self._model)
        self._finish = said.finish or self._finish
        self._tokens = said.tokens or self._tokens
        self._chunks.begin(created=said.created)
        ready = b""
        if said.reasoning:
            ready += self._chunks.reasoning(said.reasoning)
        if said.text:
            ready += self._chunks.text(said.text)
        self._spoke = self._spoke or bool(ready)
        for call in said.calls:
            place = self._called
            ready += self._chunks.call(place, _tool_call(self._chat, place, call))
            self._called += 1
        self.begun = self.begun or bool(ready)
        return ready

    def end(self) -> bytes:
        if self._ended:
            return b""
        if self._finish is None:
            raise UpstreamFailed.of(
                self._model.name, failures.EARLY_END, "no finish reason"
            )
        return self._end()

    def _end(self) -> bytes:
        finish = answer.ended(
            self._finish,
            spoke=self._spoke,
            called=self._called > 0,
            model=self._model,
        )
        self._ended = self.begun = True
        return self._chunks.finish(finish) + self._chunks.end(self._tokens)


def _tool_call(chat: ChatRequest, place: int, call: answer.Call) -> ToolCall:
    return calls.call(chat, place, meant(call.name, chat), call.arguments, call.state)
