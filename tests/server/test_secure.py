"""TLS from a client: ended in order, cut anywhere, and no way around the limits."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import attrs
import pytest
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import RequestHandler

from tests.server.serving import echo, get, on_both_loops, post, scripted
from tproxy.server.limits import Limits
from tproxy.server.server import Server

CERTIFICATE = Path(__file__).parents[1] / "data" / "localhost.pem"
TRUSTING = ssl.create_default_context(cafile=CERTIFICATE)
BODY = bytes(range(256)) * 1_000  # many records
T = TypeVar("T")


@attrs.define(eq=False)
class Caller:
    """A client that does its TLS by hand, and sends `piece` bytes at a time."""

    _reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    piece: int = 1 << 20
    _incoming: ssl.MemoryBIO = attrs.field(factory=ssl.MemoryBIO, init=False)
    _outgoing: ssl.MemoryBIO = attrs.field(factory=ssl.MemoryBIO, init=False)
    tls: ssl.SSLObject = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tls = TRUSTING.wrap_bio(
            self._incoming, self._outgoing, server_hostname="localhost"
        )

    async def begin(self) -> None:
        """Send the first of the handshake."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        await self._send()

    async def send(self, data: bytes) -> None:
        self.tls.write(data)
        await self._send()

    async def read_to(self, end: bytes) -> bytes:
        read = b""
        while not read.endswith(end):
            data = await self.until(self._read)
            assert data, read
            read += data
        return read

    async def until(self, done: Callable[[], T]) -> T:
        """Try, with more from the server each time."""
        while True:
            try:
                return done()
            except ssl.SSLWantReadError:
                await self._send()
                data = await self._reader.read(65_536)
                self._incoming.write(data) if data else self._incoming.write_eof()
            finally:
                await self._send()

    def _read(self) -> bytes:
        """Empty at an orderly end; raises at any other."""
        try:
            return self.tls.read(65_536)
        except ssl.SSLZeroReturnError:
            return b""

    async def _send(self) -> None:
        data = self._outgoing.read()
        for start in range(0, len(data), self.piece):
            self.writer.write(data[start : start + self.piece])
            await asyncio.sleep(0)


@asynccontextmanager
async def listening(
    application: HTTPServerConnectionDelegate, limits: Limits | None = None
) -> AsyncIterator[tuple[Server, Callable[[], Awaitable[Caller]]]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    server = Server(application, limits=limits or Limits(), tls=context)
    sockets = bind_sockets(0, "127.0.0.1")
    await server.start(sockets)
    callers: list[Caller] = []

    async def call() -> Caller:
        streams = await asyncio.open_connection(*sockets[0].getsockname())
        callers.append(Caller(*streams))
        return callers[-1]

    try:
        yield server, call
    finally:
        for caller in callers:
            caller.writer.close()
        await server.close_all()
        assert server.connections == 0


async def accepted(server: Server) -> None:
    while not server.connections:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)


@on_both_loops
async def test_it_may_be_cut_anywhere() -> None:
    async with listening(scripted(echo)) as (_, call):
        caller = await call()
        caller.piece = 1
        await caller.until(caller.tls.do_handshake)
        await caller.send(post(b"12345") + post(b"67890"))

        assert b"12345HTTP/1.1 200 OK" in await caller.read_to(b"67890")


@on_both_loops
async def test_large_bodies_pass_both_ways() -> None:
    async with listening(scripted(echo)) as (_, call):
        caller = await call()
        await caller.until(caller.tls.do_handshake)
        await caller.send(post(BODY))

        assert BODY in await caller.read_to(BODY[-1_000:])


@on_both_loops
async def test_the_end_is_told_so_that_nobody_else_can_make_one() -> None:
    async with listening(scripted(echo)) as (_, call):
        caller = await call()
        await caller.until(caller.tls.do_handshake)
        await caller.send(get("/", "Connection: close"))
        while await caller.until(caller._read):
            pass


@on_both_loops
async def test_the_end_is_told_at_once_to_a_client_that_is_still_sending() -> None:
    """Of a body without length, it is the only end."""

    async def answer(handler: RequestHandler) -> None:
        handler.write(b"a")
        await handler.flush()
        handler.write(b"b")

    async with listening(scripted(answer)) as (server, call):
        caller = await call()
        await caller.until(caller.tls.do_handshake)
        await caller.send(get("/", version="1.0") + get() * 10_000)  # some is held

        assert (await caller.read_to(b"ab")).startswith(b"HTTP/1.1 200")
        assert await caller.until(caller._read) == b""
        await caller.send(BODY)
        caller.writer.close()
        await server.empty()


@pytest.mark.parametrize("notified", [True, False], ids=["told", "cut"])
@on_both_loops
async def test_a_client_that_leaves_is_noticed(notified: bool) -> None:
    seen: list[RequestHandler] = []
    begun = asyncio.Event()

    async def wait(handler: RequestHandler) -> None:
        begun.set()
        await handler.left.wait()  # type: ignore[attr-defined]

    async with listening(scripted(wait, seen)) as (server, call):
        caller = await call()
        await caller.until(caller.tls.do_handshake)
        await caller.send(get())
        await begun.wait()
        if notified:
            with pytest.raises(ssl.SSLWantReadError):
                caller.tls.unwrap()
            await caller._send()
        else:
            caller.writer.write_eof()
        await server.empty()
        assert seen[0].left.is_set()  # type: ignore[attr-defined]


@on_both_loops
async def test_what_is_no_record_ends_the_connection() -> None:
    async with listening(scripted(echo)) as (server, call):
        caller = await call()
        await caller.until(caller.tls.do_handshake)
        caller.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        await server.empty()


@on_both_loops
async def test_whoever_answers_then_is_told_that_the_client_is_gone() -> None:
    begun, told = asyncio.Event(), asyncio.Event()

    async def go_on(handler: RequestHandler) -> None:
        begun.set()
        try:
            while True:
                handler.write(b"a")
                await handler.flush()
                await asyncio.sleep(0)
        except StreamClosedError:
            told.set()

    async with listening(scripted(go_on)) as (_, call):
        caller = await call()
        await caller.until(caller.tls.do_handshake)
        await caller.send(get())
        await begun.wait()
        caller.writer.write(b"this is no record")
        await told.wait()


@on_both_loops
async def test_who_shakes_hands_as_a_drain_begins_is_answered() -> None:
    async with listening(scripted(echo)) as (server, call):
        caller = await call()
        await caller.begin()
        await accepted(server)
        draining = asyncio.ensure_future(server.drain(10))
        await asyncio.sleep(0.01)
        assert not draining.done()
        await caller.until(caller.tls.do_handshake)
        await caller.send(post(b"late"))

        answer = await caller.read_to(b"late")
        assert b"Connection: close" in answer
        assert await caller.until(caller._read) == b""
        assert await draining


@on_both_loops
async def test_a_handshake_has_its_time_and_ends_with_the_server() -> None:
    async with listening(scripted(echo), Limits(handshake_seconds=0.1)) as (
        server,
        call,
    ):
        silent, begun = await call(), await call()
        await begun.begin()
        assert await silent._reader.read() == b""
        await server.empty()

    async with listening(scripted(echo)) as (server, call):
        await call()
        await accepted(server)
        await server.close_all()
