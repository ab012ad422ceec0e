"""Listens on sockets, and takes the connections down again in an orderly way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterable

import attrs
from tornado.httputil import HTTPServerConnectionDelegate

from tproxy.server.connection import Connection
from tproxy.server.limits import Limits
from tproxy.server.secure import SecureConnection
from tproxy.server.shared import Open, Refused, Shared

_BACKLOG = 1_024  # connections the system holds until we accept them


@attrs.define(eq=False)
class Server:
    """Serves an application, such as Tornado's, over HTTP/1.1.

    `start`, then `drain` for a polite end, then `close_all`.
    """

    application: HTTPServerConnectionDelegate
    limits: Limits = attrs.field(factory=Limits, kw_only=True)
    tls: ssl.SSLContext | None = attrs.field(default=None, kw_only=True)
    refused: Refused = attrs.field(default=lambda *_: "", kw_only=True)
    _shared: Shared | None = attrs.field(default=None, init=False)
    _listening: list[asyncio.Server] = attrs.field(factory=list, init=False)

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._shared.connections) if self._shared is not None else 0

    async def start(self, sockets: Iterable[socket.socket]) -> None:
        """Listen on bound sockets, TCP or Unix; may be called for more of them.

        Raises:
            OSError: one of them cannot listen.
        """
        loop = asyncio.get_running_loop()
        if self._shared is None:
            self._shared = Shared(self.application, self.limits, loop, self.refused)
        shared, tls = self._shared, self.tls
        for bound in sockets:
            listen = (
                loop.create_unix_server
                if bound.family == socket.AF_UNIX
                else loop.create_server
            )
            self._listening.append(
                await listen(
                    lambda: (
                        Connection(shared)
                        if tls is None
                        else SecureConnection(shared, tls)
                    ),
                    sock=bound,
                    backlog=_BACKLOG,
                )
            )

    def stop(self) -> None:
        """Listen no longer. Open connections stay."""
        for listening in self._listening:
            listening.close()
        self._listening.clear()

    def retire(self) -> None:
        """Listen no longer; every response that has not begun says so to its client.

        Connections that wait for a request do so for a moment still: one that is on
        its way would be lost.
        """
        self.stop()
        if self._shared is not None:
            self._shared.draining = True
        for connection in self._open():
            connection.last_call()

    async def drain(self, seconds: float | None = None) -> bool:
        """Take no new connection, answer what has been asked, and close.

        Every response that has not begun says `Connection: close`. Returns whether all
        connections were gone within `seconds`; None waits for as long as it takes.
        """
        self.retire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.empty()
        return not self.connections

    async def close_all(self) -> None:
        """Close everything at once; whoever was in mid-answer is told to stop."""
        self.stop()
        for connection in self._open():
            connection.abort()
        await self.empty()

    async def empty(self) -> None:
        """Wait until no connection is open."""
        if self._shared is not None:
            await self._shared.empty.wait()

    def _open(self) -> tuple[Open, ...]:
        return tuple(self._shared.connections) if self._shared is not None else ()
