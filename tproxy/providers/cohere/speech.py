"""A stream of Cohere's, told as OpenAI's."""

from __future__ import annotations

import attrs

from tproxy.core import failures, sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import ChunkWriter, Tokens
from tproxy.core.model import Model
from tproxy.core.upstream import Usage
from tproxy.providers import complaint
from tproxy.providers.calls import MOST_CALLS, Arguments
from tproxy.providers.cohere import answer
from tproxy.providers.said import Object, checked, opened, string
from tproxy.providers.translated import failed


@attrs.define
class Speech:
    """The `translated.Speech` of this dialect.

    `index` counts calls in events of calls and parts in those of content; calls come
    one after another.
    """

    _chat: ChatRequest
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    _chunks: ChunkWriter = attrs.field(init=False)
    _ids: set[str] = attrs.field(factory=set, init=False)  # of calls
    _index: object = attrs.field(default=None, init=False)  # of the open call
    _is_open: bool = attrs.field(default=False, init=False)  # a call is
    _argued: bool = attrs.field(default=False, init=False)  # its arguments have begun
    _arguments: Arguments = attrs.field(factory=Arguments, init=False)
    _cited: int = attrs.field(default=0, init=False)
    _end: Object | None = attrs.field(default=None, init=False)
    _tokens: Tokens | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = ChunkWriter(self._chat, self._model)

    @property
    def usage(self) -> Usage | None:
        return None if self._tokens is None else self._tokens.usage

    def take(self, event: sse.Event) -> bytes:
        data = (event.data or b"").strip()
        if self._end is not None or data in (b"", b"[DONE]"):
            return b""
        said = opened(data, self._model)
        match said.get("type"):
            case "content-delta" | "content-start":
                return self._content(self._message(said).get("content"))
            case "tool-plan-delta":
                plan = string(self._message(said), "tool_plan", self._model)
                return self._say(reasoning=plan)
            case "tool-call-delta":
                return self._more(said)
            case "tool-call-start":
                return self._start(said)
            case "tool-call-end":
                return self._stop()
            case "citation-start":
                return self._cite(self._message(said).get("citations"))
            case "message-start":
                self._chunks.begin(id=string(said, "id", self._model))
            case "message-end":
                end = checked(said.get("delta"), "a delta", self._model)
                self._end = end
                self._tokens = answer.tokens(end.get("usage"))
                if (fault := answer.breakdown(end, self._model)) is not None:
                    raise fault
            case kind if event.name == b"error" or kind == "error" or _is_error(said):
                raise complaint.read(None, {}, data, self._model)
        return b""

    def end(self) -> bytes:
        if self._end is None:
            raise failed(failures.EARLY_END, self._model, "no end of the message")
        ready = self._stop()
        finish = answer.ended(
            self._end, spoke=self.begun, called=bool(self._ids), model=self._model
        )
        self._arguments.check(finish, self._model)
        self.begun = True
        return ready + self._chunks.finish(finish) + self._chunks.end(self._tokens)

    def _message(self, said: Object) -> Object:
        delta = checked(said.get("delta"), "a delta", self._model)
        return checked(delta.get("message"), "a message", self._model)

    def _content(self, said: object) -> bytes:
        part = checked(said, "a part", self._model)
        return self._say(
            string(part, "text", self._model),
            string(part, "thinking", self._model),
        )

    def _say(self, text: str = "", reasoning: str = "") -> bytes:
        ready = self._chunks.reasoning(reasoning) if reasoning else b""
        if text:
            ready += self._chunks.text(text)
        self.begun = self.begun or bool(ready)
        return ready

    def _start(self, said: Object) -> bytes:
        ready = self._stop()
        call = answer.call(
            self._message(said).get("tool_calls"), self._model, whole=False
        )
        if call.id in self._ids:
            raise failed(failures.MALFORMED, self._model, "an id twice")
        if len(self._ids) == MOST_CALLS:
            raise failed(failures.MALFORMED, self._model, "calls without end")
        ready += self._chunks.call(len(self._ids), call)
        self._arguments.add(len(self._ids), call.arguments)
        self._ids.add(call.id)
        self._index, self._argued = said.get("index"), bool(call.arguments)
        self._is_open = self.begun = True
        return ready

    def _more(self, said: Object) -> bytes:
        if not self._is_open or said.get("index") != self._index:
            raise failed(failures.MALFORMED, self._model, "a delta of no open call")
        call = checked(self._message(said).get("tool_calls"), "a call", self._model)
        function = checked(call.get("function"), "a function", self._model)
        return self._argue(string(function, "arguments", self._model))

    def _argue(self, text: str) -> bytes:
        if not text:
            return b""
        self._argued = True
        place = len(self._ids) - 1
        self._arguments.add(place, text)
        return self._chunks.arguments(place, text)

    def _stop(self) -> bytes:
        """Close the open call; one without arguments is told none."""
        ready = self._argue("{}") if self._is_open and not self._argued else b""
        self._is_open = False
        return ready

    def _cite(self, said: object) -> bytes:
        ready = b""
        for one in said if isinstance(said, list) else [said]:
            citation = answer.cited(one, self._model)
            # OpenAI's clients put together what is streamed in lists by an index.
            numbered = {**citation, "index": self._cited}
            self._cited += 1
            try:
                ready += self._chunks.delta({"citations": [numbered]})
            except RecursionError:
                raise failed(
                    failures.MALFORMED, self._model, "a deep citation"
                ) from None
        return ready


def _is_error(said: Object) -> bool:
    """Whether it is an error's body where an event was due."""
    return "type" not in said and bool(said.get("message") or said.get("error"))
