"""A whole proxy in a test: settings made by hand, real sockets, one event loop."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs

from tproxy.app import Proxy
from tproxy.core.budget import Budget, Limit
from tproxy.core.events import Event, Notice, RequestFinished
from tproxy.core.model import Client, Kind, Model, RetryPolicy, Routing, Upstream
from tproxy.core.secret import Secret
from tproxy.settings import Backend, ServerSettings, Settings, StateSettings
from tproxy.settings.settings import ECHO_URL

TOKEN = "a-client-token"
ROUTING = Routing()
QUICK = RetryPolicy(max_retries=0, base_delay=0.001, max_delay=0.01)


@attrs.define(eq=False)
class Recorder:
    """An observer that keeps what it is told."""

    events: list[Event] = attrs.field(factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    @property
    def requests(self) -> list[RequestFinished]:
        return [e for e in self.events if isinstance(e, RequestFinished)]

    @property
    def notices(self) -> list[Notice]:
        return [e for e in self.events if isinstance(e, Notice)]


def client(
    name: str = "tester", token: str = TOKEN, models: tuple[str, ...] = ("*",)
) -> Client:
    return Client(name, (hashlib.sha256(token.encode()).digest(),), models)


def model(
    name: str = "echo/small",
    *,
    url: str = ECHO_URL,
    key: str = "",
    limits: tuple[Limit, ...] = (),
    category: str | None = "SMALL",
    priority: int = 1,
    aliases: tuple[str, ...] = (),
    kind: Kind = Kind.CHAT,
) -> Model:
    provider, _, upstream_name = name.partition("/")
    return Model(
        name=name,
        provider=provider,
        upstream_name=upstream_name or name,
        upstream=Upstream(url=url, dialect="openai", token=Secret(key)),
        aliases=aliases,
        priority=priority,
        category=category,
        budgets=(Budget(f"model:{name}", limits),),
        kind=kind,
    )


def settings(
    *models: Model,
    clients: tuple[Client, ...] = (client(),),
    max_request_bytes: int = 65_536,
    drain_seconds: float = 5.0,
    cors_origins: tuple[str, ...] = (),
    routing: Routing = ROUTING,
    retry: RetryPolicy = QUICK,
    fetch_images: bool = False,
) -> Settings:
    return Settings(
        server=ServerSettings(
            host="127.0.0.1",
            port=0,
            max_request_bytes=max_request_bytes,
            drain_seconds=drain_seconds,
            cors_origins=cors_origins,
            fetch_images=fetch_images,
        ),
        clients=clients,
        models=models or (model(),),
        routing=routing,
        retry=retry,
        state=StateSettings(Backend.MEMORY),
    )


@asynccontextmanager
async def serving(
    served: Settings | None = None,
) -> AsyncIterator[tuple[Proxy, Recorder]]:
    """A proxy that listens, and what it tells its observer."""
    recorder = Recorder()
    proxy = Proxy(served if served is not None else settings(), recorder)
    await proxy.start()
    try:
        yield proxy, recorder
    finally:
        await proxy.stop()


@attrs.frozen
class Reply:
    """An HTTP response, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, object]:
        said = json.loads(self.body)["error"]
        assert set(said) == {"message", "type", "param", "code"}
        return dict(said)


async def send(port: int, raw: bytes) -> Reply:
    """Send bytes as they are and read one response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        return await read_reply(reader)
    finally:
        writer.close()


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = {
        name.lower(): value for name, _, value in (x.partition(": ") for x in lines)
    }
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join([chunk async for chunk in chunks(reader)])
    else:
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Reply(int(first.split()[1]), headers, body)


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The chunks of a chunked body, as they arrive."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)


def request(
    method: str,
    path: str,
    body: bytes = b"",
    headers: tuple[str, ...] = (f"Authorization: Bearer {TOKEN}",),
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: proxy", *headers]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def chat(body: bytes | None = None, **fields: object) -> bytes:
    """A chat request with the right token, with `fields` on top of the least."""
    if body is None:
        said = {"model": "SMALL", "messages": [{"role": "user", "content": "Hello"}]}
        body = json.dumps({**said, **fields}).encode()
    return request("POST", "/v1/chat/completions", body)


def run(test: Callable[[], Awaitable[None]], seconds: float = 10.0) -> None:
    """Run one async test to its end; nothing of it may be left."""

    async def whole() -> None:
        async with asyncio.timeout(seconds):
            await test()
        for _ in range(3):  # connections that are closing
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left

    asyncio.run(whole())
