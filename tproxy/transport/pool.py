"""Connections kept per host, the places there are for them, and who waits for one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from tproxy.core import failures
from tproxy.core.upstream import Broken
from tproxy.transport.connection import Connection
from tproxy.transport.dial import Dial
from tproxy.transport.route import Origin
from tproxy.transport.tls import Contexts

if TYPE_CHECKING:
    from tproxy.transport.exchange import Exchange

_READ = 16_384  # bytes taken from a socket at a time


class Pool:
    """All hosts of one client, on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.contexts = Contexts()
        self.view = memoryview(bytearray(_READ))
        self.hosts: dict[Origin, Host] = {}
        self.idle: dict[Connection, None] = {}  # the longest idle one first

    def host(self, origin: Origin) -> Host:
        host = self.hosts.get(origin)
        if host is None:
            host = self.hosts[origin] = Host(self, origin)
        return host

    def close(self) -> None:
        for host in list(self.hosts.values()):
            host.close()


class Host:
    """One origin. A place is a connection, open or being opened.

    An exchange waits for a connection in `waiting`, first come first served, or has one
    opened for itself.
    """

    def __init__(self, pool: Pool, origin: Origin) -> None:
        self.limits = origin.limits
        self.places = 0
        self.waiting: OrderedDict[Exchange, None] = OrderedDict()
        self._pool = pool
        self._origin = origin
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._dials: dict[Exchange, tuple[Dial, asyncio.Task[None]]] = {}

    def begin(self, exchange: Exchange) -> None:
        """Send the request on a kept connection, or as soon as there is one."""
        while self._idle:
            connection = self._idle.pop()
            del self._pool.idle[connection]
            if not connection.closed:
                exchange.run(connection)
                return
        if self.places < self.limits.max_conns_per_host:
            self._dial(exchange)
        elif len(self.waiting) < self.limits.max_waiting_per_host:
            self.waiting[exchange] = None
            exchange.wait()
        else:
            exchange.fail(Broken(failures.CROWDED, self._crowd("queue is full")))

    def leave(self, exchange: Exchange) -> None:
        """The exchange no longer wants a connection."""
        self.waiting.pop(exchange, None)
        dialling = self._dials.pop(exchange, None)
        if dialling is not None:
            _, task = dialling
            task.cancel()

    def waited_out(self, exchange: Exchange) -> None:
        """The exchange has waited for as long as it may."""
        dialling = self._dials.get(exchange)
        if dialling is None:
            broken = Broken(failures.CROWDED, self._crowd("no turn in time"))
        else:
            dial, _ = dialling
            broken = Broken(failures.NO_CONNECT, f"not in time: {dial.phase}")
        self.leave(exchange)
        exchange.fail(broken)

    def opened(self, connection: Connection, exchange: Exchange) -> None:
        """A connection is made, and the exchange it was opened for may still want it.

        It goes out at once: the dial itself has its turn a round of the loop later.
        """
        if self._dials.pop(exchange, None) is not None:
            self._open.add(connection)
            exchange.run(connection)

    def release(self, connection: Connection) -> None:
        """The connection is healthy and free: for the next in line, or to be kept."""
        while self.waiting:
            exchange, _ = self.waiting.popitem(last=False)
            if not exchange.done():
                exchange.run(connection)
                return
        idle, pool = self._idle, self._pool
        idle.append(connection)
        pool.idle[connection] = None
        if len(idle) > self.limits.max_idle_conns_per_host:
            self._evict(idle[0])
        elif len(pool.idle) > self.limits.max_idle_conns:
            oldest = next(iter(pool.idle))
            oldest.host._evict(oldest)

    def drop(self, connection: Connection) -> None:
        """An idle connection is of no more use."""
        if self._pool.idle.pop(connection, connection) is None:
            self._idle.remove(connection)

    def forget_idle(self) -> None:
        """Close all idle connections: the provider lets go of such as they are."""
        for connection in tuple(self._idle):
            self._evict(connection)

    def lost(self, connection: Connection, again: Exchange | None) -> None:
        """A connection is gone; its place goes to `again`, or to the next in line."""
        self.drop(connection)
        self._open.discard(connection)
        if connection.served:
            self.places -= 1
        if again is not None:
            self._dial(again)
        self._fill()

    def close(self) -> None:
        self._pool.hosts.pop(self._origin, None)
        for exchange in [*self.waiting, *self._dials]:
            self.leave(exchange)
            exchange.fail(Broken(failures.NO_CONNECT, "the proxy shuts down"))
        for connection in list(self._open):
            self.drop(connection)
            connection.fail(Broken(failures.LOST, "the proxy shuts down"))

    def _evict(self, connection: Connection) -> None:
        self.drop(connection)
        connection.hang_up()

    def _fill(self) -> None:
        """Use free places for those who wait."""
        while self.waiting and self.places < self.limits.max_conns_per_host:
            exchange, _ = self.waiting.popitem(last=False)
            self._dial(exchange)
        if not self.places and self._pool.hosts.get(self._origin) is self:
            del self._pool.hosts[self._origin]

    def _dial(self, exchange: Exchange) -> None:
        pool = self._pool
        self.places += 1
        connection = Connection(self, pool.loop, pool.view, exchange)
        dial = Dial(self._origin, pool.contexts)
        dial.begin()
        task = pool.loop.create_task(dial.connect(connection, pool.view))
        self._dials[exchange] = dial, task
        exchange.wait()
        task.add_done_callback(
            lambda _: self._dialled(exchange, connection, dial, task)
        )

    def _dialled(
        self,
        exchange: Exchange,
        connection: Connection,
        dial: Dial,
        task: asyncio.Task[None],
    ) -> None:
        """The dial is over; a task that is cancelled early enough never ran at all."""
        error = None if task.cancelled() else task.exception()
        if connection.served:
            return
        dial.close()
        self._dials.pop(exchange, None)
        if isinstance(error, Broken):
            exchange.fail(error.with_traceback(None))  # which leads back to here
        elif error is not None:  # nobody is to wait for ever, whatever it was
            exchange.fail(Broken(failures.UNREACHABLE, repr(error)))
        connection.hang_up()
        self.places -= 1
        self._fill()

    def _crowd(self, detail: str) -> str:
        return f"all {self.places} connections are in use: {detail}"
