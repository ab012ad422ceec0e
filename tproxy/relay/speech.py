"""An answer that has begun, event by event: it may break off, never begin again."""

from __future__ import annotations

from typing import Self

from tproxy.core import openai
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Broken, StreamReader, UpstreamReply
from tproxy.relay.attempt import Asking

_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r")


class Speech:
    """Events for the client as they arrive. A failure becomes one event, the last.

    `held` is what the reader has handed on already; `ended`: that is all there is. With
    its end mark an answer is whole: that is when clients leave, and nothing is left to
    break.
    """

    __slots__ = ("_asking", "_ended", "_failure", "_held", "_reader", "_reply", "_sent")

    def __init__(
        self,
        asking: Asking,
        reply: UpstreamReply,
        reader: StreamReader,
        held: bytes,
        *,
        ended: bool,
    ) -> None:
        self._asking = asking
        self._reply = reply
        self._reader = reader
        self._held = held
        self._ended = ended
        self._sent = b""  # last; what it ends with decides how an error follows it
        self._failure: UpstreamFailed | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            return self._handed_on(held)
        while not self._ended:
            ready = await self._next()
            if ready:
                return self._handed_on(ready)
        return self._end()

    async def _next(self) -> bytes:
        """What the next read brings."""
        reader = self._reader
        try:
            data = await self._reply.read()
        except Broken as broken:
            self._ended = True
            self._failure = UpstreamFailed.of(
                self._asking.model.name, broken.failure, broken.detail
            )
            return b""
        ready = reader.feed(data) if data else reader.close()
        self._failure = reader.failure
        self._ended = not data or self._failure is not None
        return ready

    def _handed_on(self, ready: bytes) -> bytes:
        self._sent = ready
        if _is_end(ready):
            self._asking.finish(self._reader.usage)
        return ready

    def _end(self) -> bytes:
        """The error event, if one is due.

        Raises:
            StopAsyncIteration: none is.
        """
        failure, self._failure = self._failure, None
        if self._asking.finished or self._asking.failure is not None:
            raise StopAsyncIteration
        if failure is None:
            self._asking.finish(self._reader.usage)
            raise StopAsyncIteration
        self._asking.break_off(failure, self._reader.usage)
        # Half an event may be the last that was handed on; it must not swallow this.
        gap = b"" if self._sent.endswith(_BLANK_LINES) else b"\n\n"
        return gap + openai.error_event(failure)


def _is_end(events: bytes) -> bool:
    return events[-16:].rstrip().endswith(b"[DONE]")
