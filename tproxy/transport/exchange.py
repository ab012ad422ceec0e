"""One request on its way: queued, connecting, sent, answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tornado.httpclient import HTTPError, HTTPRequest, HTTPResponse

from tproxy.core.upstream import Broken
from tproxy.transport.fetch import Fetch, Spelled

if TYPE_CHECKING:
    from tproxy.transport.connection import Connection
    from tproxy.transport.pool import Host
    from tproxy.transport.reply import Reply


_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Exchange(asyncio.Future[HTTPResponse]):
    """What `fetch` returns for a prepared request; cancelling it hangs up at once.

    It ends in a response that has been read already: the reply heard head and reads.
    """

    __slots__ = (
        "_begun",
        "_connection",
        "_host",
        "_timer",
        "due",
        "fetch",
        "reply",
    )

    def __init__(
        self, fetch: Fetch, host: Host, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(loop=loop)
        self.fetch = fetch
        self.reply: Reply = fetch.reply
        self._host = host
        self._connection: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._begun = now = loop.time()
        self.due = now + fetch.patience.whole  # when its reply must be whole

    @property
    def _connect_by(self) -> float:
        """When it must have a connection, waiting counted, by the loop's clock."""
        return min(self._begun + self.fetch.patience.connect, self.due)

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.fetch.request.method in _SAFE

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        self._forget_timer()
        connection, self._connection = self._connection, None
        if connection is None:
            self._host.leave(self)
        else:
            connection.hang_up()
        return super().cancel(msg)

    def wait(self) -> None:
        """It has to wait, for its turn or for a connection to be opened."""
        if self._timer is None:
            loop = self.get_loop()
            self._timer = loop.call_at(self._connect_by, self._host.waited_out, self)

    def run(self, connection: Connection) -> None:
        """It is its turn."""
        if self._timer is not None:
            self._forget_timer()
        self._connection = connection
        self.reply.flow = connection
        self.reply.sent = True
        connection.send(self)

    def start_over(self) -> None:
        """Its kept connection turned out stale; it is to be sent on a fresh one."""
        self._connection = None
        self._begun = self.get_loop().time()

    def finish(self) -> None:
        """The reply is whole."""
        self._connection = None
        self.reply.on_end(None)
        if not self.done():
            self.set_result(_Response(self.fetch, self.reply.status, None))

    def fail(self, broken: Broken) -> None:
        self._connection = None
        self._forget_timer()
        self.reply.on_end(broken)
        if not self.done():
            self.set_result(_Response(self.fetch, 599, str(broken)))

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Response(HTTPResponse):
    """A response made in full only if someone looks at it.

    `broken` says what went wrong; the error itself would lead back to here.
    """

    def __init__(self, fetch: Fetch, code: int, broken: str | None) -> None:
        self.request = fetch
        self.code = code
        self._broken = broken

    def spell_out(self) -> None:
        """Become an HTTPResponse in full."""
        error = None if self._broken is None else HTTPError(599, self._broken)
        super().__init__(self.request, self.code, error=error)


for _name in vars(HTTPResponse(HTTPRequest(""), 200)).keys() - {"request", "code"}:
    setattr(_Response, _name, Spelled(_name))
