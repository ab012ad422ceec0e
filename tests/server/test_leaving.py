"""Clients that leave, at any moment, take all that was held for them along."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import TypeAlias

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from tests.server.serving import (
    Client,
    Scripted,
    Streaming,
    chunked,
    get,
    on_both_loops,
    post,
    scripted,
    serving,
    still,
)


class Watched(Streaming):
    """Says when it has been begun."""

    begun: asyncio.Event

    def prepare(self) -> None:
        self.begun.set()


def reset(client: Client) -> None:
    client.abort()


def half_close(client: Client) -> None:
    client.writer.write_eof()


Leave: TypeAlias = Callable[[Client], None]
LEAVE = pytest.mark.parametrize("leave", [reset, half_close])


@LEAVE
@on_both_loops
async def test_a_handler_that_waits_is_told(leave: Leave) -> None:
    seen: list[RequestHandler] = []
    waiting = asyncio.Event()

    async def wait(handler: RequestHandler) -> None:
        waiting.set()
        assert isinstance(handler, Scripted)
        await handler.left.wait()

    async with serving(scripted(wait, seen)) as served, served.client() as client:
        client.send(get())
        await waiting.wait()
        leave(client)
        [handler] = seen
        assert isinstance(handler, Scripted)
        async with asyncio.timeout(0.1):
            await handler.left.wait()
        await served.server.empty()


@LEAVE
@on_both_loops
async def test_a_handler_in_mid_stream_is_told(leave: Leave) -> None:
    left = asyncio.Event()

    async def stream(handler: RequestHandler) -> None:
        handler.write(b"one")
        await handler.flush()
        assert isinstance(handler, Scripted)
        await handler.left.wait()
        handler.write(b"two")
        with pytest.raises(StreamClosedError):
            await handler.flush()
        left.set()

    async with serving(scripted(stream)) as served, served.client() as client:
        client.send(get())
        await client.head()
        leave(client)
        async with asyncio.timeout(0.1):
            await left.wait()
        await served.server.empty()


@LEAVE
@on_both_loops
async def test_a_handler_in_mid_body_is_told(leave: Leave) -> None:
    seen: list[RequestHandler] = []
    Watched.begun = asyncio.Event()
    app = scripted(seen=seen, kind=Watched)

    async with serving(app) as served, served.client() as client:
        client.send(post(b"abc")[:-1])
        await Watched.begun.wait()
        leave(client)
        [handler] = seen
        assert isinstance(handler, Watched)
        async with asyncio.timeout(0.1):
            await handler.left.wait()
        await served.server.empty()


@on_both_loops
async def test_a_handler_held_back_by_its_client_is_told() -> None:
    left, written = asyncio.Event(), [0]

    async def stream(handler: RequestHandler) -> None:
        try:
            while True:
                handler.write(b"x" * 65_536)
                written[0] += 1
                await handler.flush()
        except StreamClosedError:
            left.set()

    async with serving(scripted(stream)) as served, served.client() as client:
        client.send(get())
        await client.head()
        await still(lambda: written[0])
        client.abort()
        async with asyncio.timeout(0.1):
            await left.wait()
        await served.server.empty()


@on_both_loops
async def test_who_has_been_answered_leaves_in_silence() -> None:
    seen: list[RequestHandler] = []

    async with serving(scripted(seen=seen)) as served, served.client() as client:
        client.send(get())
        await client.response()
        client.abort()
        await served.server.empty()
        [handler] = seen
        assert isinstance(handler, Scripted)
        assert not handler.left.is_set()


@on_both_loops
async def test_a_broken_off_close_callback_does_not_harm_the_connection() -> None:
    """A handler may be cancelled by it while it waits for a write."""
    cancelled = asyncio.Event()

    class Cancelled(Scripted):
        task: asyncio.Future[None]

        def on_connection_close(self) -> None:
            super().on_connection_close()
            self.task.cancel()

    async def stream(handler: RequestHandler) -> None:
        assert isinstance(handler, Cancelled)

        async def write() -> None:
            while True:
                handler.write(b"x" * 65_536)
                await handler.flush()

        handler.task = asyncio.ensure_future(write())
        try:
            await handler.task
        except asyncio.CancelledError:
            cancelled.set()

    app = scripted(stream, kind=Cancelled)
    async with serving(app) as served, served.client() as client:
        client.send(get())
        await client.head()
        client.abort()
        await cancelled.wait()
        await served.server.empty()


@pytest.mark.parametrize("kind", [Scripted, Streaming])
@on_both_loops
async def test_nothing_is_left_wherever_the_client_vanishes(
    kind: type[Scripted],
) -> None:
    requests = post(b"0123456789", "Expect: 100-continue") + chunked(b"abc") + get()
    connections: list[weakref.ref[object]] = []

    seen: list[RequestHandler] = []

    async with serving(scripted(seen=seen, kind=kind)) as served:
        for count in range(len(requests)):
            _, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(requests[:count])
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert served.server._shared is not None
            connections += map(weakref.ref, served.server._shared.connections)
            writer.transport.abort()
        await served.server.empty()
        await asyncio.sleep(0)
        seen.clear()
        gc.collect()

        assert connections
        assert {ref() for ref in connections} == {None}


def test_no_timer_is_left() -> None:
    async def vanish() -> None:
        async with serving(scripted()) as served:
            for count in range(len(get())):
                _, writer = await asyncio.open_connection("127.0.0.1", served.port)
                writer.write(get()[:count])
                await asyncio.sleep(0)
                writer.transport.abort()
            await served.server.empty()
        loop = asyncio.get_running_loop()
        timers = loop._scheduled  # type: ignore[attr-defined]
        assert [timer for timer in timers if not timer.cancelled()] == []

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(vanish())
