"""What all connections of one server have in common."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Protocol

import attrs
from tornado.httputil import HTTPServerConnectionDelegate

from tproxy.server.limits import Limits


class Open(Protocol):
    """A connection, as its server sees it."""

    @property
    def idle(self) -> bool:
        """Whether nothing of a request has been received that is not answered."""
        ...

    def close(self) -> None: ...

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
    """`done` is a future that is: for every write that need not wait."""

    application: HTTPServerConnectionDelegate
    limits: Limits
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None] = attrs.field(init=False)
    date: HTTPDate = attrs.field(factory=HTTPDate)
    connections: set[Open] = attrs.field(factory=set)
    empty: asyncio.Event = attrs.field(factory=asyncio.Event)  # no connection is left
    draining: bool = False

    def __attrs_post_init__(self) -> None:
        self.done = self.loop.create_future()
        self.done.set_result(None)
        self.empty.set()

    def came(self, connection: Open) -> None:
        self.connections.add(connection)
        self.empty.clear()

    def gone(self, connection: Open) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self.empty.set()
