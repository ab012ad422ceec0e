"""The echo provider on a socket: what a provider's own server would be."""

import asyncio
import itertools
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import attrs
from tornado.httpserver import HTTPServer

from tproxy.echo.handlers import application

_MAX_REQUEST_BYTES: Final = 64 * 1024 * 1024
_BODY_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 600.0  # longer than a client keeps an idle connection


@attrs.frozen
class _Listening:
    server: HTTPServer
    url: str


@attrs.frozen
class _Counter:
    """Names requests by their number."""

    _numbers: Iterator[int] = attrs.field(factory=lambda: itertools.count(1))

    def __call__(self) -> str:
        return f"echo{next(self._numbers)}"


@attrs.define(kw_only=True)
class EchoServer:
    """The echo provider on a socket of its own, between `start` and `stop`.

    `clock` gives seconds since 1970. `pace` is the time between two chunks of a
    stream, in seconds, spent in `sleep`. `new_serial` names a request and never gives
    one name twice; by default it counts.
    """

    clock: Callable[[], float]
    pace: float = 0.0
    new_serial: Callable[[], str] = attrs.field(factory=_Counter)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _listening: _Listening | None = attrs.field(default=None, init=False, repr=False)

    @property
    def url(self) -> str:
        """The base URL for clients, `http://127.0.0.1:PORT/v1`.

        Raises:
            RuntimeError: the server is not running.
        """
        if self._listening is None:
            raise RuntimeError("the echo server is not running")
        return self._listening.url

    def start(self, port: int = 0, address: str = "127.0.0.1") -> None:
        """Listen, and serve on the running event loop; port 0 is any free one.

        Raises:
            OSError: the address cannot be bound.
            RuntimeError: the server is running already.
        """
        if self._listening is not None:
            raise RuntimeError("the echo server is running already")
        routes = application(
            clock=self.clock,
            new_serial=self.new_serial,
            pause=lambda: self.sleep(self.pace),
        )
        server = HTTPServer(
            routes,
            max_body_size=_MAX_REQUEST_BYTES,
            body_timeout=_BODY_SECONDS,
            idle_connection_timeout=_IDLE_SECONDS,
        )
        # Tornado's own bind_sockets leaves a socket open if it cannot be bound.
        is_v6 = ":" in address
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        listening = socket.create_server((address, port), family=family)
        listening.setblocking(False)
        server.add_socket(listening)
        host = f"[{address}]" if is_v6 else address
        port = listening.getsockname()[1]
        self._listening = _Listening(server, f"http://{host}:{port}/v1")

    async def stop(self) -> None:
        """Stop listening and hang up on every client; stopping twice is once."""
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.server.stop()
            await listening.server.close_all_connections()
