"""Bodies: limits while they arrive, and answers that do not wait for their end."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tornado.web import RequestHandler

from tests.server.serving import (
    Scripted,
    Streaming,
    chunked,
    echo,
    get,
    in_skipped_time,
    on_both_loops,
    post,
    scripted,
    serving,
    still,
)
from tproxy.server.limits import Limits

EXPECTING = (
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
)


class Refusing(Streaming):
    """Answers 401 before the body."""

    def prepare(self) -> None:
        self.set_status(401)
        self.finish(b"no")


class Counting(Streaming):
    """Answers 413 once there is more than 1,000 bytes of body."""

    def data_received(self, chunk: bytes) -> None:
        super().data_received(chunk)
        if len(self.received) > 1_000 and not self._finished:
            self.set_status(413)
            self.finish(b"too much")

    async def _do(self) -> None:
        if not self._finished:
            await echo(self)

    post = _do


class Noticing(Streaming):
    """Says when there is some of the body."""

    received_some: asyncio.Event

    def data_received(self, chunk: bytes) -> None:
        super().data_received(chunk)
        self.received_some.set()


@on_both_loops
async def test_a_body_is_handed_on_while_it_arrives() -> None:
    seen: list[RequestHandler] = []
    app = scripted(seen=seen, kind=Streaming)

    async with serving(app) as served, served.client() as client:
        body = b"x" * 1_000_000
        client.send(post(body))
        answer = await client.response()

    assert answer.body == body
    [handler] = seen
    assert isinstance(handler, Streaming)
    assert handler.reads > 1


@on_both_loops
async def test_an_early_answer_is_heard_by_a_client_that_goes_on_sending() -> None:
    async with serving(scripted(kind=Refusing)) as served, served.client() as client:
        client.send(post(b"x" * 5_000_000))
        await client.writer.drain()
        answer = await client.response()

        assert answer.status == 401
        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


@on_both_loops
async def test_a_connection_survives_an_early_answer_if_the_body_is_here() -> None:
    async with serving(scripted(kind=Refusing)) as served, served.client() as client:
        for _ in range(2):
            client.send(post(b"x"))
            answer = await client.response()

            assert answer.status == 401
            assert "connection" not in answer.headers


@on_both_loops
async def test_a_request_answered_in_mid_body_goes_no_further() -> None:
    went_on: list[RequestHandler] = []

    class Hasty(Streaming):
        def data_received(self, chunk: bytes) -> None:
            self.finish(b"enough")

    async def go_on(handler: RequestHandler) -> None:
        went_on.append(handler)

    app = scripted(go_on, kind=Hasty)
    async with serving(app) as served, served.client() as client:
        client.send(post(b"all of it") + post(b"and more"))

        assert (await client.response()).body == b"enough"
        assert (await client.response()).body == b"enough"
    assert went_on == []


@pytest.mark.parametrize("size", [2_000, 2_000_000])
@on_both_loops
async def test_a_handlers_own_limit_is_heard(size: int) -> None:
    async with serving(scripted(kind=Counting)) as served, served.client() as client:
        client.send(chunked(*[b"x" * 1_000] * (size // 1_000)))
        await client.writer.drain()

        assert (await client.response()).status == 413


@pytest.mark.parametrize("request_", [post(b"x" * 2_000), chunked(b"x" * 2_000)])
@on_both_loops
async def test_the_engine_has_a_limit_behind_that_of_the_handlers(
    request_: bytes,
) -> None:
    seen: list[RequestHandler] = []
    app = scripted(seen=seen)

    async with serving(app, Limits(body_bytes=1_999)) as served:
        answer = await served.ask(request_)

        assert answer.status == 413
        assert answer.code == "request_too_large"
        assert answer.headers["connection"] == "close"
        assert (await served.ask(post(b"x" * 1_999))).status == 200
    assert len(seen) == 1


@on_both_loops
async def test_a_body_over_the_limit_takes_its_half_done_request_with_it() -> None:
    seen: list[RequestHandler] = []
    app = scripted(seen=seen, kind=Noticing)
    Noticing.received_some = asyncio.Event()

    async with (
        serving(app, Limits(body_bytes=100)) as served,
        served.client() as client,
    ):
        client.send(chunked(b"x" * 60)[:-5])
        await Noticing.received_some.wait()
        client.send(b"40\r\n" + b"x" * 64)

        assert (await client.response()).status == 413
        [handler] = seen
        assert isinstance(handler, Streaming)
        assert handler.left.is_set()


@on_both_loops
async def test_a_client_that_never_stops_is_cut_off() -> None:
    limits = Limits(linger_bytes=100_000)

    app = scripted(kind=Refusing)
    async with serving(app, limits) as served, served.client() as client:
        client.send(post(b"x").replace(b": 1\r\n", b": 50000000\r\n"))
        client.send(b"x" * 50_000_000)
        with pytest.raises(ConnectionError):
            await client.writer.drain()
        await served.server.empty()


@in_skipped_time
async def test_a_client_that_never_closes_is_cut_off() -> None:
    app = scripted(kind=Refusing)
    async with serving(app) as served, served.client() as client:
        client.send(post(b"x").replace(b": 1\r\n", b": 5\r\n"))

        assert (await client.response()).status == 401
        await served.server.empty()


@pytest.mark.parametrize("kind", [Scripted, Streaming])
@on_both_loops
async def test_a_client_that_asks_first_is_told_to_go_on(kind: type[Scripted]) -> None:
    async with serving(scripted(kind=kind)) as served, served.client() as client:
        client.send(EXPECTING + b"\r\n")
        interim = await client.reader.readuntil(b"\r\n\r\n")
        for byte in (b"a", b"b", b"c"):
            client.send(byte)
            await asyncio.sleep(0)
        answer = await client.response()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer.body == b"abc"


@on_both_loops
async def test_a_client_that_asks_first_is_refused_without_the_body() -> None:
    async with serving(scripted(kind=Refusing)) as served, served.client() as client:
        client.send(EXPECTING + b"\r\n")
        answer = await client.response()

        assert answer.status == 401
        assert await client.rest() == b""


@on_both_loops
async def test_a_body_that_is_here_needs_no_permission() -> None:
    http_1_0 = EXPECTING.replace(b"/1.1", b"/1.0")

    async with serving(scripted()) as served:
        assert (await served.ask(EXPECTING + b"\r\nabc")).body == b"abc"
        assert (await served.ask(http_1_0 + b"\r\nabc")).body == b"abc"


@on_both_loops
async def test_a_slow_handler_slows_its_client_down() -> None:
    go_on = asyncio.Event()

    class Slow(Streaming):
        async def data_received(self, chunk: bytes) -> None:  # type: ignore[override]
            super().data_received(chunk)
            await go_on.wait()

    seen: list[RequestHandler] = []
    app = scripted(seen=seen, kind=Slow)
    async with serving(app) as served, served.client() as client:
        sending = client.writer.get_extra_info("socket")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        body = b"x" * 20_000_000
        client.send(post(body))
        await still(client.unsent)
        assert client.unsent()
        [handler] = seen
        assert isinstance(handler, Slow)
        assert len(handler.received) < 1_000_000
        go_on.set()

        assert (await client.response()).body == body


@on_both_loops
async def test_pipelined_bytes_wait_in_the_network() -> None:
    go_on = asyncio.Event()

    async def wait(handler: RequestHandler) -> None:
        await go_on.wait()
        await echo(handler)

    async with serving(scripted(wait)) as served, served.client() as client:
        requests = 200
        client.send(get())
        client.send(post(b"x" * 50_000) * requests)
        await still(client.unsent)
        assert client.unsent()
        go_on.set()

        assert (await client.response()).status == 200
        for _ in range(requests):
            assert (await client.response()).body == b"x" * 50_000
