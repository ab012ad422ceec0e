"""The Transport port over Tornado's SimpleAsyncHTTPClient.

What this module rests on in Tornado 6.6:
  * Cancelling the future from `fetch` leaves the exchange running and logs an error
    when it ends, so we close the stream ourselves and cancel nothing.
  * A coroutine `streaming_callback` holds back the next read until it returns; the
    one-slot `_Reads` passes that pressure on to the provider.
  * `max_clients` queues in silence and connections are never reused, so each exchange
    has a client of its own.
  * Informational heads reach `header_callback` too; they are passed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders, parse_response_start_line
from tornado.iostream import IOStream
from tornado.simple_httpclient import HTTPTimeoutError, SimpleAsyncHTTPClient
from tornado.tcpclient import TCPClient

from tproxy import __version__
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Patience, Tls, Upstream
from tproxy.core.upstream import Broken, Sink, UpstreamHead, UpstreamRequest

_ENDLESS = 1 << 40  # bytes; the relay bounds what it holds, a stream may go on


class _TCPClient(TCPClient):
    """Remembers its one stream so that we can hang up at any moment."""

    stream: IOStream | None = None
    _hung_up = False

    async def connect(self, *args: Any, **kwargs: Any) -> IOStream:
        self.stream = await super().connect(*args, **kwargs)
        if self._hung_up:  # while connecting: the request must not go out
            self.stream.close()
        return self.stream

    def hang_up(self) -> None:
        self._hung_up = True
        if self.stream is not None:
            self.stream.close()


@attrs.define(eq=False)
class _Reads:
    """Passes reads from Tornado's callback to the reader, one at a time.

    After `end`, `put` returns at once: a callback left waiting here would keep its
    connection alive for ever.
    """

    _data: bytes | None = None
    _ended: bool = False
    _filled: asyncio.Event = attrs.field(factory=asyncio.Event)
    _emptied: asyncio.Event = attrs.field(factory=asyncio.Event)

    def __attrs_post_init__(self) -> None:
        self._emptied.set()

    async def put(self, data: bytes) -> None:
        await self._emptied.wait()
        if not self._ended:
            self._data = data
            self._emptied.clear()
            self._filled.set()

    async def get(self) -> bytes | None:
        """The next read, or None once ended and empty."""
        await self._filled.wait()
        data, self._data = self._data, None
        if not self._ended:
            self._filled.clear()
        self._emptied.set()
        return data

    def end(self) -> None:
        self._ended = True
        self._filled.set()
        self._emptied.set()


@attrs.define(eq=False)
class _Exchange:
    """One request and its reply: a `core.upstream.UpstreamReply`."""

    _patience: Patience
    _tcp: _TCPClient
    reads: _Reads = attrs.field(factory=_Reads)
    _lines: list[str] = attrs.field(factory=list)
    _head: asyncio.Future[UpstreamHead | None] = attrs.field(
        factory=lambda: asyncio.get_running_loop().create_future()
    )
    _error: BaseException | None = None
    _due: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._due = asyncio.get_running_loop().time() + self._patience.whole

    @property
    def head(self) -> UpstreamHead:
        head = self._head.result()
        if head is None:
            raise Broken(self._row(), "asked for a head that never came")
        return head

    async def arrived(self) -> None:
        """Wait for the head."""
        patience = self._patience
        async with self._within(
            patience.connect + patience.first_byte, failures.FIRST_BYTE
        ):
            head = await self._head
        if head is None:
            raise Broken(self._row(), repr(self._error))

    async def read(self, sink: Sink | None = None) -> bytes:
        async with self._within(self._patience.silence, failures.SILENCE):
            data = await self.reads.get()
        if data is None and self._error is not None:
            raise Broken(failures.EARLY_END, repr(self._error))
        return data or b""

    def header_line(self, line: str) -> None:
        """One line of the head, as Tornado hands it on; an empty one ends it."""
        if self._head.done():  # trailers
            return
        if line.strip():
            self._lines.append(line)
            return
        first, *rest = self._lines
        self._lines = []
        status = parse_response_start_line(first.strip()).code
        if status >= 200:
            headers = HTTPHeaders.parse("".join(rest))
            named = {name.lower(): value for name, value in headers.items()}
            self._head.set_result(UpstreamHead(status, named))

    def ended(self, response: asyncio.Future[HTTPResponse]) -> None:
        self._error = response.exception() or response.result().error
        if not self._head.done():
            self._head.set_result(None)
        elif self._head.result() is not None and response.exception() is None:
            answer = response.result()
            if answer.code != 599:  # the error is the status, which we have already
                self._error = None
        self.reads.end()

    @asynccontextmanager
    async def _within(self, seconds: float, row: Failure) -> AsyncIterator[None]:
        """Break with `row` after so many seconds; earlier where all takes too long."""
        left = self._due - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(min(seconds, left)):
                yield
        except TimeoutError:
            late = failures.TIMED_OUT if left <= seconds else row
            raise Broken(late, "not in time") from None

    def _row(self) -> Failure:
        match self._error:
            case socket.gaierror():
                return failures.UNRESOLVED
            case ssl.SSLError():
                return failures.TLS
            case HTTPTimeoutError():
                return failures.NO_CONNECT
        return failures.UNREACHABLE if self._tcp.stream is None else failures.LOST


@attrs.define(eq=False)
class TornadoTransport:
    """`core.upstream.Transport`; keeps the TLS settings it has read."""

    _contexts: dict[Tls, ssl.SSLContext] = attrs.field(factory=dict, init=False)

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> AsyncIterator[_Exchange]:
        client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=_ENDLESS)
        tcp = client.tcp_client = _TCPClient(resolver=client.resolver)
        exchange = _Exchange(patience, tcp)
        headers = HTTPHeaders()
        for name, value in request.headers:
            headers.add(name, value)
        response = client.fetch(
            HTTPRequest(
                request.url,
                request.method,
                headers,
                request.body,
                connect_timeout=patience.connect,
                request_timeout=0,
                follow_redirects=False,
                decompress_response=False,
                user_agent=f"tproxy/{__version__}",
                header_callback=exchange.header_line,
                streaming_callback=exchange.reads.put,
                ssl_options=self._context(upstream.tls)
                if request.url.startswith("https:")
                else None,
            ),
            raise_error=False,
        )
        response.add_done_callback(exchange.ended)
        try:
            await exchange.arrived()
            yield exchange
        finally:
            exchange.reads.end()
            tcp.hang_up()
            with contextlib.suppress(RuntimeError):
                client.close()

    def close(self) -> None:
        """Nothing is kept: each exchange closes what it opened."""

    def _context(self, tls: Tls) -> ssl.SSLContext:
        context = self._contexts.get(tls)
        if context is None:
            context = ssl.create_default_context(cafile=tls.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if tls.client_cert is not None:
                context.load_cert_chain(tls.client_cert, tls.client_key)
            self._contexts[tls] = context
        return context
