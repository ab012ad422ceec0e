"""A stream of OpenAI's shape, told again in OpenAI's own fields and no others."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from tproxy.core import sse
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import DONE
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import StreamReader, Usage
from tproxy.core.wishes import includes_usage
from tproxy.providers.said import Object, malformed, parsed
from tproxy.providers.shaped import normal
from tproxy.providers.shaped.normal_calls import Calls

_MOST_CHOICES = 128  # OpenAI's bound of `n`


@attrs.define
class _Choice:
    """One choice, as told so far. Its reason to finish is told at the end."""

    calls: Calls
    place: int | None = None  # until it is told of
    function: bool = False
    finish: str = ""


@attrs.define
class NormalStream:
    """`core.upstream.StreamReader` over another one, which judges the stream.

    One chunk is made of one, and none where it says nothing. What can be said of the
    stream as a whole only waits for its end: reasons to finish, usage, the end mark.
    """

    _judge: StreamReader
    _chat: ChatRequest
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    _own_failure: UpstreamFailed | None = attrs.field(default=None, init=False)
    _shows_usage: bool = attrs.field(init=False)
    _head: dict[str, object] = attrs.field(factory=dict, init=False)
    _told: bool = attrs.field(default=False, init=False)  # the head, and is fixed
    _choices: dict[object, _Choice] = attrs.field(factory=dict, init=False)
    _begun_choices: int = attrs.field(default=0, init=False)
    _counted: Mapping[str, object] | None = attrs.field(default=None, init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._shows_usage = includes_usage(self._chat.document.values)

    @property
    def failure(self) -> UpstreamFailed | None:
        """None after the end mark: then all has been told."""
        return None if self._ended else self._own_failure or self._judge.failure

    @property
    def usage(self) -> Usage | None:
        return self._judge.usage

    @property
    def finished(self) -> bool:
        """Whether all choices have a reason to finish, told or not."""
        choices = self._choices.values()
        return bool(choices) and all(choice.finish for choice in choices)

    def feed(self, data: bytes) -> bytes:
        if self._ended or self._own_failure is not None:
            return b""
        return self._again(self._judge.feed(data))

    def close(self) -> bytes:
        if self._ended or self._own_failure is not None:
            return b""
        ready = self._again(self._judge.close())
        if self.failure is None and not self._ended:
            try:
                ready += self._end()
            except UpstreamFailed as error:
                self._own_failure = error
        return ready

    def _again(self, whole: bytes) -> bytes:
        ready = []
        for raw in sse.split(whole):
            data = sse.read(raw).data
            if data is None or self._ended:
                continue
            try:
                ready.append(self._event(data))
            except UpstreamFailed as error:
                self._own_failure = error
                break
        return b"".join(ready)

    def _event(self, data: bytes) -> bytes:
        if data.strip() == b"[DONE]":
            # Without content it may be none: that is judged when all has come.
            return self._end() if self.begun else b""
        said = parsed(data)
        if not isinstance(said, dict):
            raise malformed(self._model, "an event that is no JSON object")
        self._counted = normal.usage(said) or self._counted
        if not self._told and (not self._head or normal.text(said.get("id"))):
            self._head = normal.head(
                said, "chat.completion.chunk", self._chat, self._model
            )
            if self._shows_usage:  # known at the end only, but named in each chunk
                self._head["usage"] = None
        found = enumerate(normal.objects(said.get("choices")))
        told = [self._heard(place, choice) for place, choice in found]
        choices = [choice for choice in told if choice is not None]
        if not choices:
            return b""
        ready = self._chunk(choices)
        self.begun = self.begun or any(
            normal.says_something(normal.member(choice["delta"])) for choice in choices
        )
        return ready

    def _heard(self, place: int, said: Object) -> dict[str, object] | None:
        """A choice of a chunk, told again; None where it says nothing new."""
        choice = self._choice(place, said)
        choice.finish = normal.reason(said.get("finish_reason")) or choice.finish
        # Perplexity repeats all of the message beside each delta.
        name = "delta" if "delta" in said else "message"
        found = normal.member(said.get(name)) or {"content": said.get("text")}
        delta = normal.spoken(found)
        choice.function = choice.function or "function_call" in delta
        parts = map(choice.calls.part, normal.objects(found.get("tool_calls")))
        calls = [part for part in parts if part is not None]
        if calls:
            delta["tool_calls"] = calls
        logprobs = normal.logprobs(said.get("logprobs"))
        if not delta and logprobs is None:
            return None
        return self._delta(choice, delta, logprobs=logprobs)

    def _choice(self, place: int, said: Object) -> _Choice:
        """The one with this index; without one, that which stands at `place`."""
        index = said.get("index")
        index = index if type(index) is int else place
        found = self._choices.get(index)
        if found is None:
            if len(self._choices) == _MOST_CHOICES:
                raise malformed(self._model, "choices without end")
            found = _Choice(Calls(self._chat, self._model))
            self._choices[index] = found
        return found

    def _end(self) -> bytes:
        """What is still to be said of each choice, the usage if asked for, the end."""
        ends = [
            (c, normal.finish(c.finish, calls=bool(c.calls), function=c.function))
            for c in self._choices.values()
        ]
        if not (self.begun or any(finish in normal.SILENT for _, finish in ends)):
            raise normal.silence(self._model)
        last = []
        for choice, finish in ends:
            rest = choice.calls.rest()
            if rest:
                last.append(self._chunk([self._delta(choice, {"tool_calls": rest})]))
            last.append(self._chunk([self._delta(choice, {}, finish)]))
        if self._shows_usage and self._counted is not None:
            last.append(self._chunk([], {"usage": self._counted}))
        self.begun = self._ended = True
        return b"".join(last) + DONE

    def _delta(
        self,
        choice: _Choice,
        delta: Mapping[str, object],
        finish: str | None = None,
        logprobs: Mapping[str, object] | None = None,
    ) -> dict[str, object]:
        """The role is told once, with the first delta; a choice has its place then."""
        if choice.place is None:
            choice.place = self._begun_choices
            self._begun_choices += 1
            delta = {"role": "assistant", **delta}
        return {
            "index": choice.place,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish,
        }

    def _chunk(
        self,
        choices: list[dict[str, object]],
        extra: Mapping[str, object] | None = None,
    ) -> bytes:
        self._told = True
        said = {**self._head, "choices": choices, **(extra or {})}
        return sse.encode(normal.encoded(said, self._model))
