"""A server on the loopback interface, and clients that speak to it in raw bytes."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import attrs
import pytest
import uvloop
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body

from tests.skipping import SkippingLoop
from tproxy.server.limits import Limits
from tproxy.server.server import Server

Do: TypeAlias = Callable[[RequestHandler], Awaitable[None]]

Test: TypeAlias = Callable[..., Coroutine[Any, Any, None]]


def on_both_loops(test: Test) -> Callable[..., None]:
    """Run an async test on asyncio's own loop and on uvloop.

    It fails if the loop was told of an exception that nobody had caught, or if
    anything was logged.
    """
    loops = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return _on(loops, test, 20)


def in_skipped_time(test: Test) -> Callable[..., None]:
    """The same, on a loop on which waiting takes no time: see `tests.skipping`."""
    return _on({"skipping": SkippingLoop}, test, 3_600)


def _on(
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]],
    test: Test,
    seconds: float,
) -> Callable[..., None]:
    @functools.wraps(test)
    def run(
        loop_factory: Callable[[], asyncio.AbstractEventLoop],
        caplog: pytest.LogCaptureFixture,
        **fixtures: object,
    ) -> None:
        async def main() -> None:
            told: list[dict[str, Any]] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: told.append(context))
            async with asyncio.timeout(seconds):
                await test(**fixtures)
            await asyncio.sleep(0)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left
            assert told == []

        with (
            caplog.at_level(logging.WARNING),
            asyncio.Runner(loop_factory=loop_factory) as runner,
        ):
            runner.run(main())
        assert [r.getMessage() for r in caplog.records] == []

    old = inspect.signature(test)
    kind = inspect.Parameter.KEYWORD_ONLY
    new = [inspect.Parameter(name, kind) for name in ("loop_factory", "caplog")]
    own = [p.replace(kind=kind) for p in old.parameters.values()]
    run.__signature__ = old.replace(parameters=new + own)  # type: ignore[attr-defined]
    factories = [pytest.param(made, id=name) for name, made in loops.items()]
    marked: Callable[..., None] = pytest.mark.parametrize("loop_factory", factories)(
        run
    )
    return marked


async def still(measured: Callable[[], object], turns: int = 200) -> None:
    """Wait until it has not changed for so many turns of the loop."""
    seen, left = measured(), turns
    while left:
        await asyncio.sleep(0)
        now = measured()
        seen, left = now, (left - 1 if now == seen else turns)


@attrs.frozen
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Of an error, in OpenAI's envelope."""
        return str(json.loads(self.body)["error"]["code"])


@attrs.define
class Client:
    """One connection. Reads strictly: what is not a response is a failure."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def unsent(self) -> int:
        """How many bytes wait here for the server to read on."""
        return self.writer.transport.get_write_buffer_size()

    async def head(self) -> Response:
        raw = await self.reader.readuntil(b"\r\n\r\n")
        status, *lines = raw[:-4].decode("latin-1").split("\r\n")
        assert status.startswith("HTTP/1.1 ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(": ")
            assert name.lower() not in headers
            headers[name.lower()] = value
        return Response(int(status[9:12]), headers, b"")

    async def response(self, *, bodiless: bool = False) -> Response:
        head = await self.head()
        if bodiless or head.status in (204, 304):
            return head
        if "content-length" in head.headers:
            assert "transfer-encoding" not in head.headers
            body = await self.reader.readexactly(int(head.headers["content-length"]))
        elif head.headers.get("transfer-encoding") == "chunked":
            body = b"".join([chunk async for chunk in self.chunks()])
        else:
            body = await self.reader.read()
        return attrs.evolve(head, body=body)

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            chunk = await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            if not size:
                return
            yield chunk

    async def rest(self) -> bytes:
        """Everything up to the end, which has to be an orderly one."""
        return await self.reader.read()

    async def gone(self) -> bool:
        """Wait until the server has closed, in order or not."""
        with suppress(ConnectionError):
            await self.reader.read()
        return True

    def abort(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


@attrs.define
class Served:
    server: Server
    port: int

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Client]:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        try:
            yield client
        finally:
            await client.close()

    async def ask(self, request: bytes) -> Response:
        async with self.client() as client:
            client.send(request)
            return await client.response()


@asynccontextmanager
async def serving(
    application: HTTPServerConnectionDelegate, limits: Limits | None = None
) -> AsyncIterator[Served]:
    server = Server(application, limits=limits or Limits())
    sockets = bind_sockets(0, "127.0.0.1")
    await server.start(sockets)
    try:
        yield Served(server, sockets[0].getsockname()[1])
    finally:
        await server.close_all()
        assert server.connections == 0


class Scripted(RequestHandler):
    """Does as the test says, with the body received whole."""

    def initialize(self, do: Do, seen: list[RequestHandler]) -> None:
        self.do = do
        self.left = asyncio.Event()
        seen.append(self)

    async def _do(self) -> None:
        await self.do(self)

    def log_exception(self, *exc_info: Any) -> None:
        if not isinstance(exc_info[1], StreamClosedError):
            super().log_exception(*exc_info)

    def compute_etag(self) -> None:
        return None

    def on_connection_close(self) -> None:
        super().on_connection_close()
        self.left.set()

    get = post = put = head = options = _do


@stream_request_body
class Streaming(Scripted):
    """As `Scripted`, and is given the body as it comes."""

    def initialize(self, do: Do, seen: list[RequestHandler]) -> None:
        super().initialize(do, seen)
        self.received = bytearray()
        self.reads = 0

    def data_received(self, chunk: bytes) -> None:
        self.reads += 1
        self.received += chunk


async def echo(handler: RequestHandler) -> None:
    """Answer with the request."""
    request, body = handler.request, handler.request.body
    if isinstance(handler, Streaming):
        body = bytes(handler.received)
    handler.set_header("X-Asked", f"{request.method} {request.path}")
    handler.set_header("Content-Type", "application/octet-stream")
    await handler.finish(body)


def scripted(
    do: Do = echo,
    seen: list[RequestHandler] | None = None,
    kind: type[Scripted] = Scripted,
) -> Application:
    given = {"do": do, "seen": [] if seen is None else seen}
    return Application([(r".*", kind, given)], log_function=lambda handler: None)


def get(path: str = "/", *headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode()


def post(body: bytes, *headers: str, path: str = "/") -> bytes:
    length = f"Content-Length: {len(body)}"
    lines = [f"POST {path} HTTP/1.1", "Host: a", length, *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*chunks: bytes) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    framed = [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in (*chunks, b"")]
    return head + b"".join(framed)
