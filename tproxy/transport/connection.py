"""One HTTP/1.1 connection to a provider, on an asyncio transport."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, cast

from tproxy.core import failures
from tproxy.core.upstream import Broken
from tproxy.transport.parsing import ReplyParser

if TYPE_CHECKING:
    from tproxy.transport.exchange import Exchange
    from tproxy.transport.pool import Host
    from tproxy.transport.reply import Reply

_STALE = 1.0  # seconds; who closes a kept connection does not answer later than this
_HELD = 16_384  # bytes the reader may leave untaken before the provider has to wait
_JOINED = 16_384  # bytes of a body that are copied to leave in one write with the head
_EARLY = 0.001  # seconds by which a timer may fire before its time


class Connection(asyncio.BufferedProtocol):
    """Carries one exchange at a time.

    One timer per connection: it is armed for the earliest deadline there was, and looks
    again when it fires, so that a read moves a number and no timer.
    """

    __slots__ = (
        "_deadline",
        "_due",
        "_exchange",
        "_first",
        "_head_told",
        "_loop",
        "_parser",
        "_paused",
        "_reply",
        "_sent_at",
        "_silence",
        "_timer",
        "_timer_at",
        "_touched",
        "_transport",
        "_view",
        "closed",
        "host",
        "served",
    )

    def __init__(
        self,
        host: Host,
        loop: asyncio.AbstractEventLoop,
        view: memoryview,
        first: Exchange,
    ) -> None:
        self.host = host
        self._first: Exchange | None = first  # for whom it is opened
        self.closed = False
        self.served = 0  # requests sent; from the first on `lost` gives its place back
        self._loop = loop
        self._view = view  # where reads land; shared, since parsing never waits
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._exchange: Exchange | None = None
        self._reply: Reply | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = self._deadline = self._due = math.inf
        self._sent_at = self._silence = 0.0
        self._paused = self._head_told = self._touched = False

    # What the exchange asks.

    def send(self, exchange: Exchange) -> None:
        """Send a request; the exchange hears how it goes."""
        fetch = exchange.fetch
        request, patience = fetch.request, fetch.patience
        self._exchange = exchange
        self._reply = exchange.reply
        self._head_told = self._touched = False
        self._parser.reset(is_head=request.method == "HEAD")
        self.served += 1
        self._sent_at = now = self._loop.time()
        transport = self._transport
        if transport is None or transport.is_closing():
            return  # connection_lost is on its way and will tell
        self._silence = patience.silence
        self._due = exchange.due
        self._set_deadline(now + patience.first_byte)
        head, body = fetch.head, request.body
        if len(body) <= _JOINED:
            transport.write(head + body if body else head)
        else:
            transport.writelines((head, body))

    def resume(self) -> None:
        """The reader has taken what there was."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._set_deadline(self._loop.time() + self._silence)
            self._transport.resume_reading()

    def hang_up(self) -> None:
        """Close now, whatever is under way; the exchange is not told."""
        self._exchange = self._reply = self._first = None
        self.closed = True
        self._forget_timer()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, broken: Broken) -> None:
        """Close now, and tell the exchange."""
        exchange = self._exchange
        self.hang_up()
        if exchange is not None:
            exchange.fail(broken)

    # What the transport says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is none by class
        self._transport = cast(asyncio.Transport, transport)
        first, self._first = self._first, None
        if first is not None:
            self.host.opened(self, first)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        exchange, reply, parser = self._exchange, self._reply, self._parser
        if exchange is None or reply is None:  # bytes nobody asked for
            self._discard()
            return
        self._touched = True
        problem = parser.feed(self._view[:nbytes])
        if not self._head_told and parser.head is not None:
            self._head_told = True
            reply.on_head(parser.head)
        parts = parser.parts
        if parts:
            reply.on_read(parts[0] if len(parts) == 1 else b"".join(parts))
            parts.clear()
        if parser.complete:
            self._finish(exchange)
        elif problem is not None:
            self.fail(Broken(failures.MALFORMED, problem))
        elif reply.held > _HELD:
            self._paused = True
            self._set_deadline(math.inf)
            if self._transport is not None:
                self._transport.pause_reading()
        elif self._head_told:
            deadline = self._loop.time() + self._silence
            if self._timer_at <= deadline <= self._due:
                self._deadline = deadline  # the timer looks again when it fires
            else:
                self._set_deadline(deadline)

    def eof_received(self) -> None:
        """The transport closes itself; connection_lost follows."""

    def connection_lost(self, exc: Exception | None) -> None:
        exchange = self._exchange
        self._exchange = self._reply = self._transport = None
        self.closed = True
        self._forget_timer()
        detail = "closed" if exc is None else str(exc)
        if exchange is not None and self._is_stale():
            self.host.forget_idle()  # what was kept as long is as stale
            if exchange.repeatable:
                exchange.start_over()
                self.host.lost(self, exchange)
            else:
                self.host.lost(self, None)
                exchange.fail(Broken(failures.STALE, detail))
            return
        self.host.lost(self, None)
        if exchange is None:
            return
        if not self._head_told:
            exchange.fail(Broken(failures.LOST, detail))
        elif exc is None and self._parser.ends_with_connection:
            exchange.finish()
        else:
            exchange.fail(Broken(failures.EARLY_END, detail))

    # Ends.

    def _finish(self, exchange: Exchange) -> None:
        """The reply is whole. The next request may go out before its reader returns."""
        self._exchange = self._reply = None
        transport, parser = self._transport, self._parser
        if (
            parser.keep
            and transport is not None
            and not transport.is_closing()
            and not transport.get_write_buffer_size()  # answered before it was sent
        ):
            idle = self.host.limits.idle_conn_timeout_seconds
            told = parser.kept_for
            if told is not None:
                idle = min(idle, told - _STALE)
            self._due = math.inf
            self._set_deadline(self._loop.time() + idle)
            self.host.release(self)
        else:
            self.hang_up()
        exchange.finish()

    def _discard(self) -> None:
        """Nobody uses it, and nobody is to."""
        self.host.drop(self)
        self.hang_up()

    def _is_stale(self) -> bool:
        """Whether the provider closed a kept connection as the request was sent.

        It may have read the request all the same, so only one that is safe to repeat
        (RFC 9110, 9.2.2) is sent again from here; of others the relay is told, which
        counts each. Never true of a fresh connection.
        """
        return (
            not self._touched
            and self.served > 1
            and self._loop.time() - self._sent_at < _STALE
        )

    def _set_deadline(self, deadline: float) -> None:
        if deadline > self._due:
            deadline = self._due
        self._deadline = deadline
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        elif deadline == math.inf:
            return
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._look)

    def _forget_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf

    def _look(self) -> None:
        """The timer fired; the deadline may have moved on since."""
        self._timer, self._timer_at = None, math.inf
        if self._loop.time() < self._deadline - _EARLY:
            self._set_deadline(self._deadline)
        elif self._exchange is None:
            self._discard()
        elif self._due <= self._deadline:
            self.fail(Broken(failures.TIMED_OUT, "not whole in time"))
        elif self._head_told:
            self.fail(Broken(failures.SILENCE, "no read in time"))
        else:
            self.fail(Broken(failures.FIRST_BYTE, "no head in time"))
