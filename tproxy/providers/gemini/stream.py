"""Gemini's streams: events of whole answers, of which each tells what is new.

They end with the connection, and the last event counts: before it, a finish reason may
come more than once, and usage with each event.
"""

from __future__ import annotations

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import ChunkWriter, Tokens
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Model
from tproxy.core.upstream import Usage
from tproxy.providers.gemini import answer, media, wire
from tproxy.providers.gemini.answer import Candidate, Ids

_MOST_CANDIDATES = 128


@attrs.define
class _Told:
    """What there is so far of one candidate. `choice` is its index for the client.

    Choices are numbered as they begin to speak. Of signatures the last counts, and is
    told at the end: clients put the strings of a stream together.
    """

    choice: int | None = None
    calls: int = 0
    pictures: int = 0
    sounded: bool = False
    signature: str = ""
    finish: str | None = None


@attrs.define
class Speech:
    """`providers.translated.Speech` of this dialect."""

    _chat: ChatRequest
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    _writer: ChunkWriter = attrs.field(init=False)
    _ids: Ids = attrs.field(init=False)
    _told: dict[int, _Told] = attrs.field(factory=dict, init=False)  # by Gemini's index
    _spoken: int = attrs.field(default=0, init=False)  # choices that have an index
    _tokens: Tokens | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._writer = ChunkWriter(self._chat, self._model)
        self._ids = Ids(self._chat.id)

    @property
    def usage(self) -> Usage | None:
        return None if self._tokens is None else self._tokens.usage

    def take(self, event: sse.Event) -> bytes:
        data = event.data or b""
        said = wire.parsed(data)
        if said is None and b"\n" in data:  # blank lines got lost between events
            lines = [line for line in data.split(b"\n") if line.strip()]
            return b"".join(self._take(wire.parsed(line), line) for line in lines)
        return self._take(said, data)

    def end(self) -> bytes:
        finishes = [told.finish for told in self._told.values()]
        if not finishes or None in finishes:
            raise self._failed(failures.EARLY_END, "no finish reason")
        self._ids.halves.check(self._model)
        silent = [told for told in self._told.values() if told.choice is None]
        if any(told.finish not in answer.SILENT for told in silent):
            raise self._failed(failures.EMPTY, "no content")
        self.begun = True
        written = []
        for told in self._told.values():
            choice = self._choice(told)
            if told.signature:
                signed = answer.signed(told.signature)
                written.append(self._writer.delta(signed, choice))
            reason = answer.reason(told.finish, called=told.calls > 0)
            written.append(self._writer.finish(reason, choice))
        return b"".join(written) + self._writer.end(self._tokens)

    def _take(self, value: object, data: bytes) -> bytes:
        if data.strip() == b"[DONE]":  # a gateway's, not Gemini's
            return b""
        said = answer.no_error(value, data, {}, self._model)
        read = answer.read(said, self._model, self._ids)
        self._tokens = read.tokens or self._tokens
        self._writer.begin(id=read.id)
        return b"".join(map(self._written, read.candidates))

    def _written(self, said: Candidate) -> bytes:
        told = self._told.setdefault(said.index, _Told())
        if len(self._told) > _MOST_CANDIDATES:
            raise self._failed(failures.MALFORMED, "candidates without end")
        told.finish = said.finish or told.finish
        told.signature = said.signature or told.signature
        if not said.says_something:
            return b""
        self.begun = True
        writer, choice, written = self._writer, self._choice(told), []
        if said.reasoning:
            written.append(writer.reasoning(said.reasoning, choice))
        if said.text:
            written.append(writer.text(said.text, choice))
        if said.media.pictures:
            pictures = media.images(said.media.pictures, told.pictures)
            written.append(writer.delta({"images": pictures}, choice))
            told.pictures += len(said.media.pictures)
        if said.media.sound:
            more: dict[str, object] = {"data": said.media.data}
            audio = more if told.sounded else said.media.audio(self._chat.id)
            written.append(writer.delta({"audio": audio}, choice))
            told.sounded = True
        for call in said.calls:
            written.append(writer.call(told.calls, call, choice))
            told.calls += 1
        return b"".join(written)

    def _choice(self, told: _Told) -> int:
        if told.choice is None:
            told.choice = self._spoken
            self._spoken += 1
        return told.choice

    def _failed(self, row: Failure, detail: str) -> UpstreamFailed:
        return UpstreamFailed.of(self._model.name, row, detail)
