"""One client's connection: requests in, one at a time and in order, responses out.

A connection is always in one of four states:
  * between requests, or reading a head: there is no exchange;
  * in an exchange: bytes are the request's body, and then wait for their turn;
  * lingering: answered for the last time; what arrives is counted and thrown away;
  * closed for writing, until the transport says that it is gone.

A client that closes its writing side has left, as with Tornado's own server: a
handler in mid-answer is told so at once, and what had not gone out is lost.
"""

from __future__ import annotations

import asyncio

import attrs
from tornado.httputil import HTTPInputError, RequestStartLine
from tornado.log import app_log

from tproxy.core.errors import ClientLeft, ProxyError
from tproxy.server import body as bodies
from tproxy.server import refusals
from tproxy.server.body import Body
from tproxy.server.deadline import Deadline
from tproxy.server.delivery import Delivery
from tproxy.server.exchange import Exchange
from tproxy.server.farewell import Farewell
from tproxy.server.head import Head, HeadReader
from tproxy.server.inflow import Inflow
from tproxy.server.outflow import Outflow
from tproxy.server.pace import Pace
from tproxy.server.peer import Peer, send_at_once
from tproxy.server.shared import Shared


@attrs.define(eq=False)
class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1 with one client."""

    _shared: Shared
    _reader: HeadReader = attrs.field(init=False)
    _inflow: Inflow = attrs.field(init=False)
    _outflow: Outflow = attrs.field(init=False)
    _deadline: Deadline = attrs.field(init=False)
    _peer: Peer = attrs.field(init=False)
    _exchange: Exchange | None = attrs.field(default=None, init=False)
    _delivery: Delivery | None = attrs.field(default=None, init=False)
    _expects_continue: bool = attrs.field(default=False, init=False)
    _pace: Pace = attrs.field(init=False)
    _last: bool = attrs.field(default=False, init=False)  # no request after this one
    _since: float | None = attrs.field(default=None, init=False)  # the rest is awaited
    _farewell: Farewell = attrs.field(init=False)

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # of a stream's protocol
    ) -> None:
        shared, limits = self._shared, self._shared.limits
        send_at_once(transport)
        self._inflow = Inflow(transport)
        self._outflow = Outflow(transport, shared)
        self._reader = HeadReader(limits)
        self._pace = Pace(limits)
        self._peer = Peer.of(transport)
        self._deadline = Deadline(shared.loop, self._expired)
        self._farewell = Farewell(self._outflow, self._deadline, limits)
        # While draining, it came in from the backlog: its request is on its way.
        self._deadline.set(
            limits.head_seconds if shared.draining else limits.idle_seconds
        )
        shared.came(self)

    def data_received(self, data: bytes) -> None:
        delivery = self._delivery
        if self._outflow.closed:
            self._farewell.throw_away(data)
        elif delivery is None and self._outflow.held:
            self._reader.keep(data)
        elif delivery is None:
            self._read_head(data)
        elif delivery.body is None:
            self._reader.keep(data)
            self._flow(delivery)
        else:
            self._pace.count(len(data))
            if self._take(delivery, data):
                delivery.advance()
                self._flow(delivery)

    def eof_received(self) -> None:
        self._tell_if_left_early()
        if self._exchange is None:
            self._outflow.shut()
        else:
            self.abort()

    def pause_writing(self) -> None:
        self._outflow.hold()

    def resume_writing(self) -> None:
        self._outflow.release()
        if self._delivery is None and not self._outflow.closed:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._tell_if_left_early()
        self._deadline.cancel()
        self._outflow.closed = True
        self._leave()
        self._outflow.lost()
        self._shared.application.on_close(self)
        self._shared.gone(self)

    @property
    def lasting(self) -> bool:
        delivery = self._delivery
        return not (
            self._last
            or self._shared.draining
            or (delivery is not None and delivery.body is not None)
        )

    def date(self) -> str:
        return self._shared.date.now()

    def answered(self, exchange: Exchange) -> None:
        delivery, kept = self._delivery, bool(self._reader.kept)
        if exchange is not self._exchange or delivery is None:
            return
        self._exchange = self._delivery = self._since = None
        delivery.stopped = True
        if not delivery.over:
            # Not from here: the handler is about to note how its request ended.
            self._shared.loop.call_soon(delivery.abandon)
        if self._outflow.closed:
            return
        if not exchange.keep_alive or self._last or delivery.body is not None:
            self._end(linger=kept or delivery.body is not None)
            return
        limits, draining = self._shared.limits, self._shared.draining
        self._deadline.set(
            limits.last_call_seconds if draining else limits.idle_seconds
        )
        self._go_on()

    def hang_up(self, exchange: Exchange) -> None:
        if self._exchange is not exchange and self._exchange is not None:
            self._last = True  # the one under way is answered first
        elif not self._outflow.closed:
            delivery = self._delivery
            exchange.finished = exchange.started = True
            exchange.keep_alive = False
            self.answered(exchange)
            if delivery is None:
                self._end(linger=bool(self._reader.kept))

    def last_call(self) -> None:
        if self._idle:
            self._deadline.set(self._shared.limits.last_call_seconds)

    def close(self) -> None:
        self._deadline.clear()
        self._outflow.shut()

    def abort(self) -> None:
        self._outflow.cut()
        self._leave()

    @property
    def _idle(self) -> bool:
        """Whether nothing of a request has been received that is not answered."""
        free = self._exchange is None and not self._reader.kept
        return free and not self._outflow.closed

    def _go_on(self) -> None:
        """Read the next request, once its client has read what came before."""
        if self._outflow.held:
            self._inflow.hold()
        elif self._reader.kept:
            self._shared.loop.call_soon(self._read_next)
        else:
            self._inflow.release()

    def _read_next(self) -> None:
        """Read the request that came before the last one had been answered."""
        if self._exchange is None and self._reader.kept and not self._outflow.closed:
            self._read_head(b"")
            if self._delivery is None:
                self._inflow.release()

    def _read_head(self, data: bytes) -> None:
        begun, found = bool(data and self._reader.kept), None
        try:
            found = self._reader.read(data)
            if found is None:
                if not begun:
                    self._since = self._shared.loop.time()
                    self._deadline.set(self._shared.limits.head_seconds)
                return
            head, data = found
            body, piece, rest = bodies.begin(head, self._shared.limits, data)
        except ProxyError as error:
            self._refuse(error, found[0].start_line if found else None)
            return
        if body is None:
            self._deadline.clear()
        else:
            now = self._shared.loop.time()
            self._since = self._since or now
            self._deadline.set(self._pace.begin(now))
            self._pace.count(len(data))
        if rest:
            self._reader.keep(rest)
        self._begin(head, body, piece)

    def _begin(self, head: Head, body: Body | None, piece: bytes) -> None:
        self._exchange = exchange = Exchange(
            self._peer,
            self,
            self._outflow,
            head.http_1_0,
            head.start_line,
            head.keep_alive,
        )
        delegate = self._shared.application.start_request(self, exchange)
        self._delivery = delivery = Delivery(delegate, body, self._failed, self._flow)
        self._expects_continue = head.expects_continue
        delivery.begin(head, piece)
        self._flow(delivery)

    def _take(self, delivery: Delivery, data: bytes) -> bool:
        try:
            rest = delivery.take(data)
        except ProxyError as error:
            self._refuse(error)
            return False
        if rest:
            self._reader.keep(rest)
        if delivery.body is None:
            self._deadline.clear()
        return True

    def _flow(self, delivery: Delivery) -> None:
        """Read on or not, as the delegate and the buffers allow; ask for the body."""
        if delivery is not self._delivery:
            return
        most = self._shared.limits.pipelined_bytes
        if len(self._reader.kept) > most or len(delivery.waiting) > most:
            self._inflow.hold()
        else:
            self._inflow.release()
        if self._expects_continue and not delivery.held:
            self._expects_continue = False
            started = self._exchange is not None and self._exchange.started
            if delivery.body is not None and not started:
                self._outflow.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _expired(self) -> None:
        """The client has had its time."""
        delivery = self._delivery
        if self._outflow.closed:
            self._farewell.expired()
        elif self._idle:
            self.close()
        elif delivery is None and self._outflow.held:
            self._deadline.set(self._shared.limits.idle_seconds)
        elif delivery and (self._inflow.held or delivery.held):
            # By us: none of this time is the client's.
            self._deadline.set(self._pace.excuse())
        elif delivery and (left := self._pace.left(self._shared.loop.time())) > 0.001:
            self._deadline.set(left)
        else:
            self._refuse(refusals.TooSlow())

    def _failed(self, error: BaseException) -> None:
        """The application raised."""
        if not isinstance(error, HTTPInputError):
            app_log.error("Uncaught exception", exc_info=error)
        if self._exchange is not None:
            self._refuse(refusals.of(error))

    def _refuse(self, error: ProxyError, asked: RequestStartLine | None = None) -> None:
        """Answer in the application's place, for the last time."""
        exchange, delivery = self._exchange, self._delivery
        self._exchange = self._delivery = None
        if exchange is not None and exchange.started:
            self._outflow.cut()
        elif not self._outflow.closed:
            if exchange is not None:
                asked = exchange.asked
            id = self._shared.tell(error, asked, self._since)
            self._outflow.write(refusals.answer(error, self.date(), id))
            self._end(linger=True)
        if delivery is not None and not delivery.over:
            delivery.abandon()

    def _tell_if_left_early(self) -> None:
        """Tell of a request that is not whole as its client leaves: no handler does."""
        exchange, delivery = self._exchange, self._delivery
        if self._outflow.closed:
            return  # by us
        if exchange is None:
            asked, early = None, bool(self._reader.kept.strip())
        else:
            asked, early = exchange.asked, delivery is not None and not delivery.over
        if early:
            self._shared.tell(ClientLeft(), asked, self._since)

    def _leave(self) -> None:
        """The client has: whoever works for it is told."""
        exchange, delivery = self._exchange, self._delivery
        self._exchange = self._delivery = None
        if exchange is None or delivery is None:
            return
        if not delivery.over:
            delivery.abandon()
            return
        try:
            exchange.leave()
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._failed(error)

    def _end(self, *, linger: bool) -> None:
        """Close, but first let what was written arrive."""
        if linger:
            self._farewell.begin()
            self._inflow.release()
        else:
            self.close()
