"""The stream of a model that goes on with an answer, told as if it were the first's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import attrs

from tproxy.core import failures, sse
from tproxy.core.completion import DONE
from tproxy.core.continuation import Continuation
from tproxy.core.delivered import Chunk
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model, Prefill
from tproxy.core.seam import Seam
from tproxy.core.upstream import StreamReader, Usage

_TORN = "not from where it was told"
_NO_MARK: Mapping[str, object] = {}


@attrs.define
class Joining:
    """`core.upstream.StreamReader` over another: hands on what the client lacks.

    Chunks are written anew, under the head of the first ones; there is no second role.
    The one that ends the answer says in `x_tproxy` who went on, after how many
    characters. Usage is that of all parts together.
    """

    _inner: StreamReader
    _asked: Continuation
    _model: Model
    begun: bool = attrs.field(default=False, init=False)
    failure: UpstreamFailed | None = attrs.field(default=None, init=False)
    _seam: Seam = attrs.field(init=False)
    _finished: bool = attrs.field(default=False, init=False)
    _done: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        echoes = self._model.prefill is Prefill.ECHOED_PREFIX
        self._seam = Seam(self._asked.told, self._asked.blank, echoes)

    @property
    def usage(self) -> Usage | None:
        """Of this part alone."""
        return self._inner.usage

    @property
    def finished(self) -> bool:
        """As the reader of this part says, if it does."""
        return getattr(self._inner, "finished", False)

    def feed(self, data: bytes) -> bytes:
        if self.failure is not None:
            return b""
        return self._told(self._inner.feed(data))

    def close(self) -> bytes:
        if self.failure is not None:
            return b""
        ready = self._told(self._inner.close())
        return ready + self._end("stop" if self._is_silent() else None)

    def _is_silent(self) -> bool:
        """Whether it ended without a word: the answer had broken at its very end."""
        failure = self._inner.failure
        return failure is not None and failure.failure is failures.EMPTY

    def _told(self, events: bytes) -> bytes:
        ready = []
        for raw in sse.split(events):
            if self.failure is not None:
                break
            data = sse.read(raw).data
            if data is None:
                ready.append(raw)
            elif data.strip() == b"[DONE]":
                ready.append(self._end(None))
            else:
                ready.append(self._chunk(Chunk.read(data)))
        if self.failure is None and not self._is_silent():
            self.failure = self._inner.failure
        return b"".join(ready)

    def _end(self, finish: str | None) -> bytes:
        """The end mark; and what ought to come before it, if it has not."""
        if self._done or self.failure is not None:
            return b""
        ready = b"" if self._finished else self._last(Chunk({}, "", finish, None))
        self._done = self.failure is None
        return ready + DONE if self._done else b""

    def _chunk(self, chunk: Chunk | None) -> bytes:
        if chunk is None:
            return self._fail("more than a text")
        if chunk.finish is not None and not self._finished:
            return self._last(chunk)
        text = self._seam.feed(chunk.text)
        if self._seam.torn:
            return self._fail(_TORN)
        if text:
            self.begun = True
            return self._event(chunk, [_choice(text, None)])
        return b"" if chunk.usage is None else self._event(chunk, [])

    def _last(self, chunk: Chunk) -> bytes:
        """The chunk that ends the answer."""
        text = self._seam.feed(chunk.text)
        self._seam.close()
        if self._seam.torn:
            return self._fail(_TORN)
        self.begun = self._finished = True
        mark = {"resumed": self._asked.before.resumed_by(self._model.name).resumed}
        return self._event(chunk, [_choice(text, chunk.finish)], mark)

    def _event(
        self,
        chunk: Chunk,
        choices: Sequence[Mapping[str, object]],
        mark: Mapping[str, object] = _NO_MARK,
    ) -> bytes:
        before = self._asked.before
        said = {**before.head, "choices": choices}
        if chunk.usage is not None:
            said["usage"] = _said(before.spent.and_also(chunk.usage))
            mark = {**mark, "usage": "estimated"} if before.estimated else mark
        if mark:
            said["x_tproxy"] = mark
        return sse.encode(json.dumps(said, separators=(",", ":")).encode())

    def _fail(self, detail: str) -> bytes:
        self.failure = UpstreamFailed.of(self._model.name, failures.UNJOINED, detail)
        return b""


def _choice(text: str, finish: str | None) -> Mapping[str, object]:
    delta = {"content": text} if text else {}
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _said(usage: Usage) -> Mapping[str, int]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
