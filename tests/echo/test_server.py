import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream
from tornado.testing import bind_unused_port

from tproxy.echo.handlers import application
from tproxy.echo.server import EchoServer

NOW = 1700000000.9
HI = {"model": "echo-small", "messages": [{"role": "user", "content": "hi"}]}


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=10))


@asynccontextmanager
async def serving(
    *,
    pace: float = 0.0,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    clock: Callable[[], float] = lambda: NOW,
) -> AsyncIterator[EchoServer]:
    server = EchoServer(clock=clock, pace=pace, sleep=sleep)
    server.start()
    try:
        yield server
    finally:
        await server.stop()


async def fetch(url: str, method: str = "GET", body: object = None) -> HTTPResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await AsyncHTTPClient().fetch(
        url,
        method=method,
        body=None if body is None else raw,
        raise_error=False,
        allow_nonstandard_methods=True,
    )


async def chat(server: EchoServer, body: object) -> HTTPResponse:
    return await fetch(f"{server.url}/chat/completions", "POST", body)


@asynccontextmanager
async def streaming(server: EchoServer) -> AsyncIterator[asyncio.StreamReader]:
    """A stream of which the head was read; leaving the block hangs up."""
    raw = json.dumps({**HI, "stream": True}).encode()
    host, port = server.url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: echo\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(raw), raw))
        await reader.readuntil(b"\r\n\r\n")
        yield reader
    finally:
        writer.close()


class Gate:
    """A sleep that lasts until it is let through, one chunk at a time."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.open = asyncio.Semaphore(0)
        self.left = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        try:
            await self.open.acquire()
        except asyncio.CancelledError:
            self.left.set()
            raise


def test_a_reply_has_a_providers_headers() -> None:
    async def test() -> None:
        async with serving() as server:
            first, second = await chat(server, HI), await chat(server, HI)

            assert first.code == 200
            assert first.headers["Content-Type"] == "application/json"
            assert first.headers["X-Request-Id"] == "req_echo1"
            assert second.headers["X-Request-Id"] == "req_echo2"
            reply = json.loads(first.body)
            assert (reply["id"], reply["created"]) == ("chatcmpl-echo1", 1700000000)

    run(test())


def test_a_stream_is_made_of_events() -> None:
    async def test() -> None:
        async with serving() as server:
            reply = await chat(server, {**HI, "stream": True})

            assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            assert reply.headers["X-Request-Id"] == "req_echo1"
            *events, done, rest = reply.body.split(b"\n\n")
            assert (done, rest) == (b"data: [DONE]", b"")
            chunks = [json.loads(event.removeprefix(b"data: ")) for event in events]
            deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
            assert (
                "".join(delta.get("content", "") for delta in deltas) == "You said: hi"
            )

    run(test())


def test_each_chunk_is_sent_before_the_pause() -> None:
    async def test() -> None:
        gate = Gate()
        async with (
            serving(pace=0.25, sleep=gate.sleep) as server,
            streaming(server) as reader,
        ):
            for word in (b'""', b'"You"', b'" said:"'):
                event = await reader.readuntil(b"\n\n")
                assert b'"content":' + word in event
                gate.open.release()
            assert set(gate.asked) == {0.25}

    run(test())


def test_a_client_that_leaves_ends_its_stream(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        gate = Gate()
        async with serving(sleep=gate.sleep) as server:
            async with streaming(server) as reader:
                await reader.readuntil(b"\n\n")

            await gate.left.wait()
            assert gate.asked == [0.0]
            assert (await fetch(f"{server.url}/models")).code == 200

    run(test())
    assert caplog.records == []


def test_stopping_ends_streams() -> None:
    async def test() -> None:
        gate = Gate()
        async with serving(sleep=gate.sleep) as server, streaming(server) as reader:
            await reader.readuntil(b"\n\n")
            await server.stop()

            assert b"[DONE]" not in await reader.read()
            await gate.left.wait()

    run(test())


def test_small_chunks_are_not_held_back() -> None:
    class Server(HTTPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            streams.append(stream)
            super().handle_stream(stream, address)

    async def pause() -> None:
        end = streams[0].socket
        delays.append(end.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def test() -> None:
        routes = application(clock=lambda: NOW, new_serial=lambda: "s", pause=pause)
        server = Server(routes)
        listening, port = bind_unused_port()
        server.add_socket(listening)
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        await fetch(url, "POST", {**HI, "stream": True})
        server.stop()
        await server.close_all_connections()

    streams: list[IOStream] = []
    delays: list[int] = []
    run(test())
    assert delays
    assert all(delays)


def test_text_is_sent_as_utf_8() -> None:
    async def test() -> None:
        async with serving() as server:
            content = "Ж\ud800"  # half of a character beyond U+FFFF
            messages = [{"role": "user", "content": content}]
            reply = await chat(server, {**HI, "messages": messages})

            assert "You said: Ж\\ud800".encode() in reply.body
            message = json.loads(reply.body)["choices"][0]["message"]
            assert message["content"] == "You said: Ж\ud800"

    run(test())


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "We could not parse the JSON body of your request."),
        (b"{", "We could not parse the JSON body of your request."),
        (b"\xff", "We could not parse the JSON body of your request."),
        (b'{"n": NaN}', "We could not parse the JSON body of your request."),
        pytest.param(
            b"[" * 100_000,
            "We could not parse the JSON body of your request.",
            id="deep",
        ),
        (b"[]", "The body of your request is not a JSON object."),
        (b"{}", "you must provide a model parameter"),
    ],
)
def test_an_unreadable_body_is_refused(
    body: bytes, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with serving() as server:
            reply = await chat(server, body)

            assert reply.code == 400
            assert reply.headers["X-Request-Id"] == "req_echo1"
            assert json.loads(reply.body)["error"]["message"] == message

    run(test())
    assert caplog.records == []


@pytest.mark.parametrize(
    ("method", "path", "status", "message", "code", "allow"),
    [
        ("GET", "", 404, "Invalid URL (GET /v1)", None, None),
        ("POST", "/moderations", 404, "Invalid URL (POST /v1/moderations)", None, None),
        (
            "GET",
            "/chat/completions",
            405,
            "Not allowed to GET on /v1/chat/completions",
            "method_not_supported",
            "POST",
        ),
        (
            "DELETE",
            "/models",
            405,
            "Not allowed to DELETE on /v1/models",
            "method_not_supported",
            "GET",
        ),
    ],
)
def test_what_is_not_offered_is_refused_in_the_envelope(
    method: str,
    path: str,
    status: int,
    message: str,
    code: str | None,
    allow: str | None,
) -> None:
    async def test() -> None:
        async with serving() as server:
            reply = await fetch(server.url + path, method)

            assert reply.code == status
            assert reply.headers["Content-Type"] == "application/json"
            assert reply.headers["X-Request-Id"] == "req_echo1"
            assert reply.headers.get("Allow") == allow
            error = {"type": "invalid_request_error", "param": None, "code": code}
            told = json.loads(reply.body)["error"]
            assert told.pop("message").partition(" (HINT:")[0] == message
            assert told == error

    run(test())


def test_a_fault_of_our_own_is_told_without_its_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> float:
        raise OSError("the clock is broken")

    async def test() -> None:
        async with serving(clock=broken) as server:
            reply = await chat(server, HI)

            assert reply.code == 500
            error = json.loads(reply.body)["error"]
            assert error["type"] == "server_error"
            assert "clock" not in error["message"]

    run(test())
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_it_starts_again_and_beside_others() -> None:
    async def test() -> None:
        async with serving() as one, serving() as other:
            assert one.url != other.url
            await one.stop()
            await one.stop()
            one.start()
            for server in (one, other):
                assert (await chat(server, HI)).code == 200

    run(test())
    run(test())


def test_the_port_may_be_chosen() -> None:
    async def test() -> None:
        async with serving() as server:
            url, port = server.url, int(server.url.split("/")[2].split(":")[1])
            with pytest.raises(OSError, match="in use"):
                EchoServer(clock=lambda: NOW).start(port)

            await server.stop()
            server.start(port)
            assert server.url == url

    run(test())


def test_it_has_a_url_only_while_it_runs() -> None:
    async def test() -> None:
        server = EchoServer(clock=lambda: NOW)
        with pytest.raises(RuntimeError, match="not running"):
            assert server.url

        server.start(address="127.0.0.1")
        assert server.url.startswith("http://127.0.0.1:")
        assert server.url.endswith("/v1")
        with pytest.raises(RuntimeError, match="running already"):
            server.start()

        await server.stop()
        with pytest.raises(RuntimeError, match="not running"):
            assert server.url

    run(test())
