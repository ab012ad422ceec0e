"""What all connections of one server have in common."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Protocol, TypeAlias

import attrs
from tornado.httputil import HTTPServerConnectionDelegate, RequestStartLine

from tproxy.core.errors import ProxyError
from tproxy.server.limits import Limits

# Is told of a request that no handler answers: why, what it asked, where that has been
# read, and how long we waited for the rest of it. Returns the id it is to be told by.
Refused: TypeAlias = Callable[[ProxyError, RequestStartLine | None, float], str]

_READ = 16_384  # bytes


class Open(Protocol):
    """A connection, as its server sees it."""

    def last_call(self) -> None:
        """Close soon, if no request comes before."""
        ...

    def abort(self) -> None: ...


@attrs.define(eq=False)
class HTTPDate:
    """The time as a header has it, formatted once a second."""

    _second: int = 0
    _shown: str = ""

    def now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._shown = formatdate(second, usegmt=True)
        return self._shown


@attrs.define(eq=False)
class Shared:
    """`done` is a future that is: for every write that need not wait.

    `view` is where reads over TLS land; nothing in it is awaited.
    """

    application: HTTPServerConnectionDelegate
    limits: Limits
    loop: asyncio.AbstractEventLoop
    _refused: Refused
    done: asyncio.Future[None] = attrs.field(init=False)
    view: memoryview = attrs.field(init=False, repr=False)
    date: HTTPDate = attrs.field(factory=HTTPDate)
    connections: set[Open] = attrs.field(factory=set)
    empty: asyncio.Event = attrs.field(factory=asyncio.Event)  # no connection is left
    draining: bool = False

    def __attrs_post_init__(self) -> None:
        self.done = self.loop.create_future()
        self.done.set_result(None)
        self.view = memoryview(bytearray(_READ))
        self.empty.set()

    def tell(
        self, error: ProxyError, asked: RequestStartLine | None, since: float | None
    ) -> str:
        """As `Refused`; `since` is when we began to wait for the rest, if we did."""
        seconds = 0.0 if since is None else self.loop.time() - since
        return self._refused(error, asked, seconds)

    def came(self, connection: Open) -> None:
        self.connections.add(connection)
        self.empty.clear()

    def gone(self, connection: Open) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self.empty.set()
