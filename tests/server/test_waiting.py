"""Clients that are slow: to send, to read, or to do anything at all."""

from __future__ import annotations

import asyncio
import resource
import socket
import time

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from tests.server.serving import (
    Streaming,
    get,
    in_skipped_time,
    on_both_loops,
    post,
    scripted,
    serving,
    still,
)
from tproxy.server.limits import Limits

SOON = 0.05
LIMITS = Limits()


@in_skipped_time
async def test_a_head_has_to_arrive_in_time() -> None:
    async with serving(scripted()) as served, served.client() as client:
        client.send(get()[:-1])
        answer = await client.response()

        assert answer.status == 408
        assert answer.code == "request_timeout"
        assert await client.rest() == b""


@in_skipped_time
async def test_bytes_now_and_then_do_not_help() -> None:
    clock = asyncio.get_running_loop().time
    async with serving(scripted()) as served, served.client() as client:
        began = clock()
        answer = asyncio.ensure_future(client.response())
        while not answer.done():
            client.send(b"G")
            await asyncio.wait([answer], timeout=1)

        assert (await answer).status == 408
        assert clock() - began < LIMITS.head_seconds + 2


@on_both_loops
async def test_an_idle_connection_is_closed() -> None:
    limits = Limits(idle_seconds=SOON)
    async with serving(scripted(), limits) as served:
        async with served.client() as silent:
            assert await silent.rest() == b""
        async with served.client() as client:
            for _ in range(2):
                client.send(get())
                assert (await client.response()).status == 200
            assert await client.rest() == b""


@in_skipped_time
async def test_a_handler_may_take_longer_than_any_client() -> None:
    async def slowly(handler: RequestHandler) -> None:
        await asyncio.sleep(1_000)

    async with serving(scripted(slowly)) as served:
        assert (await served.ask(post(b"a"))).status == 200


@in_skipped_time
async def test_a_body_has_to_go_on_arriving() -> None:
    seen: list[RequestHandler] = []
    app = scripted(seen=seen, kind=Streaming)
    async with serving(app) as served, served.client() as client:
        client.send(post(b"0123456789")[:-1])

        assert (await client.response()).status == 408
        assert await client.rest() == b""
        [handler] = seen
        assert isinstance(handler, Streaming)
        assert handler.left.is_set()


@in_skipped_time
async def test_a_body_that_goes_on_arriving_has_its_time() -> None:
    half = LIMITS.body_bytes_per_second * 20
    async with serving(scripted()) as served, served.client() as client:
        request = post(b"x" * 2 * half)
        client.send(request[:-half])
        await asyncio.sleep(LIMITS.body_grace_seconds + 15)
        client.send(request[-half:])

        assert (await client.response()).body == b"x" * 2 * half


@on_both_loops
async def test_who_reads_no_answers_gets_no_more_of_them() -> None:
    size, many = 2**20, 20
    seen: list[RequestHandler] = []

    async def amply(handler: RequestHandler) -> None:
        handler.write(b"x" * size)

    app = scripted(amply, seen=seen)
    async with serving(app) as served, served.client() as client:
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        client.send(get() * many)
        await still(lambda: len(seen))
        assert 0 < len(seen) < 10  # what sockets hold is all that is ahead

        client.reader._transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(many):
            assert len((await client.response()).body) == size
    assert len(seen) == many


@in_skipped_time
async def test_a_handler_that_holds_the_body_back_is_not_its_client() -> None:
    class Slow(Streaming):
        async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
            super().data_received(chunk)
            await asyncio.sleep(3 * LIMITS.body_grace_seconds)

    app = scripted(kind=Slow)
    async with serving(app) as served, served.client() as client:
        client.send(post(b"abc")[:-1])
        await asyncio.sleep(2 * LIMITS.body_grace_seconds)
        client.send(b"c")

        assert (await client.response()).body == b"abc"


@pytest.fixture
def _many_descriptors() -> None:
    """For both ends of 500 connections; more are allowed, but not everywhere used."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 2_000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(2_000, hard), hard))


@pytest.mark.usefixtures("_many_descriptors")
@on_both_loops
async def test_half_open_requests_delay_nobody() -> None:
    """In their heads, in their bodies, or having said nothing at all."""
    requests = (get()[:-2], post(b"abc")[:-1], b"")

    async with serving(scripted()) as served:
        half_open = [
            await asyncio.open_connection("127.0.0.1", served.port) for _ in range(500)
        ]
        for number, (_, writer) in enumerate(half_open):
            writer.write(requests[number % len(requests)])
        began = time.monotonic()
        for _ in range(10):
            assert (await served.ask(get())).status == 200

        assert time.monotonic() - began < 1
        assert served.server.connections == len(half_open) + 1
        for _, writer in half_open:
            writer.transport.abort()
        await served.server.empty()


def small_buffers(writer: asyncio.StreamWriter) -> None:
    client = writer.get_extra_info("socket")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)


@on_both_loops
async def test_a_slow_client_slows_its_handler_down() -> None:
    written = 0
    total = 400

    async def stream(handler: RequestHandler) -> None:
        nonlocal written
        for _ in range(total):
            handler.write(b"x" * 65_536)
            await handler.flush()
            written += 1

    async with serving(scripted(stream)) as served, served.client() as client:
        small_buffers(client.writer)
        client.send(get())
        await client.head()
        await still(lambda: written)
        assert written < total / 2

        body = b"".join([chunk async for chunk in client.chunks()])
        assert len(body) == total * 65_536


@on_both_loops
async def test_a_client_that_stops_reading_is_dropped() -> None:
    failed = asyncio.Event()

    async def stream(handler: RequestHandler) -> None:
        try:
            while True:
                handler.write(b"x" * 65_536)
                await handler.flush()
        except StreamClosedError:
            failed.set()

    limits = Limits(stalled_seconds=SOON)
    async with serving(scripted(stream), limits) as served, served.client() as client:
        client.send(get())
        await client.head()
        await failed.wait()
        await served.server.empty()


@pytest.mark.parametrize(
    "request_",
    [
        get(),
        get("/", "Connection: close"),
        get("/", "Connection: close") + b"and more",
    ],
)
@in_skipped_time
async def test_a_client_that_reads_slowly_is_not(request_: bytes) -> None:
    piece = 4_000_000

    async def big(handler: RequestHandler) -> None:
        handler.finish(b"x" * 8 * piece)

    async with serving(scripted(big)) as served, served.client() as client:
        small_buffers(client.writer)
        client.send(request_)
        await client.head()
        for _ in range(8):  # all in all, longer than it may be idle or linger
            await client.reader.readexactly(piece)
            await asyncio.sleep(LIMITS.stalled_seconds * 0.8)

        assert await client.rest() == b""


@on_both_loops
async def test_what_a_stalled_client_has_not_read_is_not_kept_for_ever() -> None:
    async def big(handler: RequestHandler) -> None:
        handler.finish(b"x" * 8_000_000)

    limits = Limits(stalled_seconds=SOON)
    for headers in ((), ("Connection: close",)):
        async with serving(scripted(big), limits) as served, served.client() as client:
            client.send(get("/", *headers))
            await client.head()
            await served.server.empty()
