"""A stream that is translated event by event: what all such dialects share.

A dialect supplies a `Speech`; this file cuts the stream into events, hands them to it
and keeps the promises of `core.upstream.StreamReader`.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from tproxy.core import failures, sse
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Model
from tproxy.core.upstream import Usage


class Speech(Protocol):
    """The translation of one stream. Events go in, OpenAI's events come out."""

    @property
    def begun(self) -> bool:
        """Whether what came out so far holds content for the client."""
        ...

    @property
    def usage(self) -> Usage | None: ...

    def take(self, event: sse.Event) -> bytes:
        """Translate one event; its data is not None.

        Raises:
            UpstreamFailed: it tells of an error, or is unreadable.
        """
        ...

    def end(self) -> bytes:
        """Take the end of the stream; return what is still to be said.

        Raises:
            UpstreamFailed: it came too early, or the stream held no content.
        """
        ...


@attrs.define
class Translated:
    """`core.upstream.StreamReader` over a `Speech`."""

    _speech: Speech
    _model: Model
    failure: UpstreamFailed | None = attrs.field(default=None, init=False)
    _cutter: sse.Cutter = attrs.field(factory=sse.Cutter, init=False)

    @property
    def begun(self) -> bool:
        return self._speech.begun

    @property
    def usage(self) -> Usage | None:
        return self._speech.usage

    def feed(self, data: bytes) -> bytes:
        if self.failure is not None:
            return b""
        ready = self._take(self._cutter.feed(data))
        if self._cutter.overlong and self.failure is None:
            self.failure = failed(failures.MALFORMED, self._model, "an endless event")
        return ready

    def close(self) -> bytes:
        if self.failure is not None:
            return b""
        ready = self._take(self._cutter.rest())
        if self.failure is None:
            try:
                ready += self._speech.end()
            except UpstreamFailed as error:
                self.failure = error
        return ready

    def _take(self, whole: bytes) -> bytes:
        ready = []
        for raw in sse.split(whole):
            event = sse.read(raw)
            if event.data is None:
                continue
            try:
                ready.append(self._speech.take(event))
            except UpstreamFailed as error:
                self.failure = error
                break
        return b"".join(ready)


def failed(row: Failure, model: Model, detail: str) -> UpstreamFailed:
    """A failure of `model`; `detail` is for our log and quotes nobody."""
    return UpstreamFailed(
        message=f"{model.name}: {row.said}.",
        failure=row,
        model=model.name,
        detail=detail,
    )
