"""The way out of a connection: writes, and futures that hold back a fast writer."""

from __future__ import annotations

import asyncio

import attrs
from tornado.iostream import StreamClosedError

from tproxy.server.deadline import Deadline
from tproxy.server.shared import Shared


def failed(loop: asyncio.AbstractEventLoop, error: Exception) -> asyncio.Future[None]:
    """A future that raises for those who wait, and is silent if nobody does."""
    future = loop.create_future()
    future.set_exception(error)
    future.exception()
    return future


@attrs.define(eq=False)
class Outflow:
    """Writes to one transport.

    A write below the high-water mark returns `done`, one future for all: to wait for
    it costs no trip through the loop. Above it, the write is done when the client has
    read enough of what came before. One that reads nothing for too long is dropped.
    """

    transport: asyncio.Transport
    _shared: Shared
    closed: bool = attrs.field(default=False, init=False)
    _stalled: Deadline = attrs.field(init=False)
    held: bool = attrs.field(default=False, init=False)
    _unsent: int = attrs.field(default=0, init=False)  # when last looked at
    _waiting: list[asyncio.Future[None]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.transport.set_write_buffer_limits(self._shared.limits.unsent_bytes)
        self._stalled = Deadline(self._shared.loop, self._look)

    def write(self, data: bytes) -> asyncio.Future[None]:
        if self.closed:
            return failed(self._shared.loop, StreamClosedError())
        if data:
            self.transport.write(data)
        if not self.held:
            return self._shared.done
        self._unsent += len(data)
        future = self._shared.loop.create_future()
        self._waiting.append(future)
        return future

    def hold(self) -> None:
        self.held = True
        self._watch()

    def release(self) -> None:
        self.held = False
        if not self.closed:
            self._stalled.clear()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def shut(self) -> None:
        """Accept no more. What was written still goes out, while the client reads."""
        if not self.closed:
            self.closed = True
            self.transport.close()
            self._watch()

    def end(self) -> None:
        """Accept no more, and say so; the client may go on sending."""
        self.closed = True
        self.transport.write_eof()
        self._watch()

    def cut(self) -> None:
        """Close at once; what has not gone out is lost."""
        self.closed = True
        self.transport.abort()

    def lost(self) -> None:
        """The transport has closed: nobody is to wait for it any longer."""
        self.closed = True
        self._stalled.cancel()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_exception(StreamClosedError())
                future.exception()

    def _watch(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stalled.set(self._shared.limits.stalled_seconds)

    def _look(self) -> None:
        if self.transport.get_write_buffer_size() < self._unsent:
            self._watch()
        else:
            self.transport.abort()
