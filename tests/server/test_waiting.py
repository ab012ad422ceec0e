"""Clients that are slow: to send, to read, or to do anything at all."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from tests.server.serving import (
    Streaming,
    get,
    on_both_loops,
    post,
    scripted,
    serving,
)
from tproxy.server.limits import Limits

SOON = 0.05


@on_both_loops
async def test_a_head_has_to_arrive_in_time() -> None:
    limits = Limits(head_seconds=SOON)
    async with serving(scripted(), limits) as served, served.client() as client:
        client.send(get()[:-1])
        answer = await client.response()

        assert answer.status == 408
        assert answer.code == "request_timeout"
        assert await client.rest() == b""


@on_both_loops
async def test_bytes_now_and_then_do_not_help() -> None:
    limits = Limits(head_seconds=SOON)
    async with serving(scripted(), limits) as served, served.client() as client:
        began = time.monotonic()
        answer = asyncio.ensure_future(client.response())
        while not answer.done():
            client.send(b"G")
            await asyncio.wait([answer], timeout=0.01)

        assert (await answer).status == 408
        assert time.monotonic() - began < 1


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


@on_both_loops
async def test_a_handler_may_take_longer_than_any_client() -> None:
    async def slowly(handler: RequestHandler) -> None:
        await asyncio.sleep(3 * SOON)

    limits = Limits(
        idle_seconds=SOON,
        head_seconds=SOON,
        body_grace_seconds=SOON,
        stalled_seconds=SOON,
    )
    async with serving(scripted(slowly), limits) as served:
        assert (await served.ask(post(b"a"))).status == 200


@on_both_loops
async def test_a_body_has_to_go_on_arriving() -> None:
    seen: list[RequestHandler] = []
    limits = Limits(body_grace_seconds=SOON)
    app = scripted(seen=seen, kind=Streaming)
    async with serving(app, limits) as served, served.client() as client:
        client.send(post(b"0123456789")[:-1])

        assert (await client.response()).status == 408
        assert await client.rest() == b""
        [handler] = seen
        assert isinstance(handler, Streaming)
        assert handler.left.is_set()


@on_both_loops
async def test_a_body_that_goes_on_arriving_has_its_time() -> None:
    limits = Limits(body_grace_seconds=SOON, body_bytes_per_second=1_000)
    async with serving(scripted(), limits) as served, served.client() as client:
        request = post(b"x" * 2_000)
        client.send(request[:-1_000])
        await asyncio.sleep(3 * SOON)
        client.send(request[-1_000:])

        assert (await client.response()).body == b"x" * 2_000


@on_both_loops
async def test_a_handler_that_holds_the_body_back_is_not_its_client() -> None:
    class Slow(Streaming):
        async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
            super().data_received(chunk)
            await asyncio.sleep(3 * SOON)

    limits = Limits(body_grace_seconds=SOON, body_bytes_per_second=1_000_000)
    app = scripted(kind=Slow)
    async with serving(app, limits) as served, served.client() as client:
        client.send(post(b"abc")[:-1])
        await asyncio.sleep(2 * SOON)
        client.send(b"c")

        assert (await client.response()).body == b"abc"


@on_both_loops
async def test_half_open_requests_delay_nobody() -> None:
    async with serving(scripted()) as served:
        half_open = [
            await asyncio.open_connection("127.0.0.1", served.port) for _ in range(250)
        ]
        for _, writer in half_open:
            writer.write(get()[:-2])
        began = time.monotonic()
        for _ in range(10):
            assert (await served.ask(get())).status == 200

        assert time.monotonic() - began < 1
        for _, writer in half_open:
            writer.close()
            await writer.wait_closed()
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
        before = -1
        while before != written:  # until it stands still
            before = written
            await asyncio.sleep(0.1)
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
@on_both_loops
async def test_a_client_that_reads_slowly_is_not(request_: bytes) -> None:
    async def big(handler: RequestHandler) -> None:
        handler.finish(b"x" * 24_000_000)

    limits = Limits(stalled_seconds=0.4, idle_seconds=SOON, linger_seconds=SOON)
    async with serving(scripted(big), limits) as served, served.client() as client:
        small_buffers(client.writer)
        client.send(request_)
        head = await client.head()
        left = int(head.headers["content-length"])
        while left:
            left -= len(await client.reader.read(400_000))
            await asyncio.sleep(0.01)

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
