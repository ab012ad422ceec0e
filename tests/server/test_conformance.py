"""The same exchanges with our engine and with Tornado's own server.

What handlers and clients see has to be the same, wherever Tornado's server can serve
the case at all. Where it differs on purpose, `test_strictness` and the others say so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import attrs
import pytest
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPOutputError
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

from tests.server import serving
from tests.server.serving import Client, Response, Streaming, chunked, get, post
from tproxy.server.server import Server


@asynccontextmanager
async def ours(application: Application) -> AsyncIterator[int]:
    server = Server(application)
    sockets = bind_sockets(0, "127.0.0.1")
    await server.start(sockets)
    yield sockets[0].getsockname()[1]
    await server.close_all()


@asynccontextmanager
async def tornados(application: Application) -> AsyncIterator[int]:
    server = HTTPServer(application)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    yield sockets[0].getsockname()[1]
    server.stop()
    await server.close_all_connections()


Engine: TypeAlias = Callable[[Application], AbstractAsyncContextManager[int]]
ENGINES: tuple[Engine, ...] = (ours, tornados)


async def echo(handler: RequestHandler) -> None:
    request = handler.request
    body = bytes(handler.received) if isinstance(handler, Streaming) else request.body
    said = {
        "method": request.method,
        "uri": request.uri,
        "path": request.path,
        "version": request.version,
        "host": request.host,
        "remote_ip": request.remote_ip,
        "protocol": request.protocol,
        "arguments": repr(request.arguments),
        "headers": repr(sorted(request.headers.get_all())),
        "body": body.hex(),
    }
    handler.set_header("X-Two-Words", "a b")
    handler.add_header("Set-Cookie", "a=b")
    await handler.finish(said)


async def stream(handler: RequestHandler) -> None:
    for word in ("one", "", "two"):
        handler.write(word)
        await handler.flush()


async def sized_stream(handler: RequestHandler) -> None:
    handler.set_header("Content-Length", "6")
    await stream(handler)


async def nothing(handler: RequestHandler) -> None:
    handler.set_status(204)


async def not_modified(handler: RequestHandler) -> None:
    handler.set_status(304)


async def fail(handler: RequestHandler) -> None:
    raise HTTPError(418, reason="Short and stout")


async def redirect(handler: RequestHandler) -> None:
    handler.redirect("/elsewhere", status=307)


async def reply(handler: RequestHandler) -> None:
    handler.set_header("Content-Type", "text/plain")
    handler.set_header("X-Latin", "caf\xe9")
    handler.finish(b"x" * 100_000)


CASES = {
    "a GET": (echo, get("/a?b=c&b=d")),
    "a POST": (echo, post(b"body", "Content-Type: text/plain")),
    "an empty POST": (echo, post(b"")),
    "a form": (echo, post(b"a=b", "Content-Type: application/x-www-form-urlencoded")),
    "a chunked POST": (echo, chunked(b"bo", b"dy")),
    "an empty chunked POST": (echo, chunked()),
    "a large POST": (echo, post(b"x" * 300_000)),
    "repeated headers": (echo, get("/", "X-A: 1", "x-a: 2", "X-B:   c \t")),
    "bytes beyond ASCII": (echo, get("/", "X-A: \u00e9")),
    "an escaped path": (echo, get("/a%2Fb%20c")),
    "a HEAD": (reply, get().replace(b"GET", b"HEAD")),
    "an OPTIONS": (echo, get().replace(b"GET", b"OPTIONS")),
    "a PUT": (echo, post(b"a").replace(b"POST", b"PUT")),
    "HTTP/1.0": (echo, get(version="1.0")),
    "HTTP/1.0 that stays": (echo, get("/", "Connection: keep-alive", version="1.0")),
    "HTTP/1.0 with a body": (echo, post(b"a").replace(b"/1.1", b"/1.0")),
    "HTTP/1.0, streamed": (stream, get(version="1.0")),
    "the last request": (echo, get("/", "Connection: close")),
    "a stream": (stream, get()),
    "a stream of known length": (sized_stream, get()),
    "no content": (nothing, get()),
    "not modified": (not_modified, get()),
    "an error": (fail, get()),
    "an error after a body": (fail, post(b"a")),
    "a redirect": (redirect, get()),
    "a large answer": (reply, get()),
    "a method that is not there": (echo, get().replace(b"GET", b"DELETE")),
    "two at once": (echo, get("/1") + get("/2")),
    "an upgrade": (echo, get("/", "Connection: upgrade", "Upgrade: h2c")),
}


async def ask(engine: Engine, app: Application, request: bytes) -> list[object]:
    """What comes back: responses, and whether the connection stays."""
    seen: list[object] = []
    async with engine(app) as port:
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.send(request)
        for _ in range(request.count(b" HTTP/1.")):
            answer = await client.response(bodiless=request.startswith(b"HEAD"))
            answer.headers.pop("date")
            if "http/1.0" in str(request).lower():
                # A close is implied; Tornado leaves it unsaid.
                implied = answer.headers.get("connection", "").lower()
                answer.headers["connection"] = implied.replace("close", "")
            seen.append(answer)
        client.send(get("/again"))
        try:
            seen.append((await client.response()).status)
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.append("closed")
        await client.close()
    return seen


@pytest.mark.parametrize("kind", [serving.Scripted, Streaming])
@pytest.mark.parametrize(("do", "request_"), CASES.values(), ids=CASES)
@serving.on_both_loops
async def test_both_servers_say_the_same(
    do: serving.Do, request_: bytes, kind: type[serving.Scripted]
) -> None:
    app = serving.scripted(do, kind=kind)

    assert await ask(ours, app, request_) == await ask(tornados, app, request_)


@attrs.define
class Attempt:
    """What a handler got for writing a body that is not of the length it said."""

    errors: list[str] = attrs.field(factory=list)

    async def write(self, handler: RequestHandler) -> None:
        handler.set_header("Content-Length", "3")
        try:
            handler.write(handler.request.body)
            await handler.flush()
            handler.request.connection.finish()  # type: ignore[union-attr]
        except HTTPOutputError as error:
            self.errors.append(type(error).__name__)
        handler._finished = True


@pytest.mark.parametrize("body", [b"ab", b"abcd"])
@serving.on_both_loops
async def test_both_servers_cut_off_a_body_of_the_wrong_length(body: bytes) -> None:
    for engine in ENGINES:
        attempt = Attempt()
        async with engine(serving.scripted(attempt.write)) as port:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(post(body))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.response()
            await client.close()
        assert attempt.errors == ["HTTPOutputError"]


@serving.on_both_loops
async def test_both_servers_tell_a_handler_that_its_client_left() -> None:
    for engine in ENGINES:
        begun, left = asyncio.Event(), asyncio.Event()

        async def wait(
            handler: RequestHandler,
            begun: asyncio.Event = begun,
            left: asyncio.Event = left,
        ) -> None:
            begun.set()
            assert isinstance(handler, serving.Scripted)
            await handler.left.wait()
            left.set()

        async with engine(serving.scripted(wait)) as port:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(get())
            await begun.wait()
            await client.close()
            await left.wait()


@serving.on_both_loops
async def test_both_servers_invite_the_body() -> None:
    request = post(b"abc", "Expect: 100-continue")
    answers: list[Response] = []
    for engine in ENGINES:
        async with engine(serving.scripted()) as port:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            client.send(request[:-3])
            interim = await client.reader.readuntil(b"\r\n\r\n")
            assert interim.startswith(b"HTTP/1.1 100 ")
            client.send(b"abc")
            answers.append(await client.response())
            await client.close()

    assert [answer.body for answer in answers] == [b"abc", b"abc"]
