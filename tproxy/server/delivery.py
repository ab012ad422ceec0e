"""The way in: a request, handed to the application's delegate as it arrives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import attrs
from tornado.httputil import HTTPMessageDelegate

from tproxy.server.body import Body
from tproxy.server.head import Head


@attrs.define(eq=False)
class Delivery:
    """Hands over one request, at the pace of whoever takes it.

    The delegate hears of the end exactly once, by `finish` or `on_connection_close`.
    `failed` is called with what the delegate raised; `progressed` when, after a wait,
    it has taken what there was.
    """

    _delegate: HTTPMessageDelegate
    body: Body | None  # None: there is no more to arrive
    _failed: Callable[[BaseException], None]
    _progressed: Callable[[Delivery], None]
    over: bool = True  # no end is owed: see `begin`
    stopped: bool = False  # nobody wants the rest
    held: bool = False  # the delegate is not ready
    waiting: bytes = b""  # until it is

    def take(self, data: bytes) -> bytes:
        """Keep what belongs to the body; return what comes after it.

        Raises:
            InvalidRequest: see `Body.take`.
            RequestTooLarge: see `Body.take`.
        """
        if self.body is None:
            return data
        piece, rest = self.body.take(data)
        if self.body.complete:
            self.body = None
        self.waiting += piece
        return rest

    def begin(self, head: Head, piece: bytes) -> None:
        """Hand over the head, and the piece of the body that came with it."""
        self.over = False
        self.waiting = piece
        try:
            ready = self._delegate.headers_received(head.start_line, head.headers)
            if ready is not None:
                self._hold(ready)
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._failed(error)
            return
        self.advance()

    def advance(self) -> None:
        """Hand over what has arrived, until there is no more or the delegate waits."""
        while not (self.over or self.held or self.stopped):
            try:
                if self.waiting:
                    data, self.waiting = self.waiting, b""
                    taken = self._delegate.data_received(data)
                    if taken is not None:
                        self._hold(taken)
                elif self.body is None:
                    self.over = True
                    self._delegate.finish()
                else:
                    return
            except Exception as error:  # noqa: BLE001
                self._failed(error)
                return

    def abandon(self) -> None:
        """The rest will not be handed over."""
        self.waiting = b""
        if not self.over:
            self.over = True
            try:
                self._delegate.on_connection_close()
            except Exception as error:  # noqa: BLE001
                self._failed(error)

    def _hold(self, awaitable: Awaitable[None]) -> None:
        """Hand over nothing more until the delegate is ready."""
        future = asyncio.ensure_future(awaitable)
        if future.done():
            future.result()
            return
        self.held = True
        future.add_done_callback(self._release)

    def _release(self, future: asyncio.Future[None]) -> None:
        self.held = False
        try:
            future.result()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
            if not self.over:
                self._failed(error)
            return
        self.advance()
        self._progressed(self)
