"""A proxy on its socket, and what a client at the other end of one sees."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs

from tests.serving import (
    QUICK,
    Recorder,
    Reply,
    client,
    model,
    request,
    settings,
)
from tproxy.app import Proxy, SystemClock
from tproxy.core.events import Event, RequestFinished
from tproxy.core.model import Client, Model, Patience, RetryPolicy, Routing
from tproxy.core.state import Clock

KEY = "sk-the-providers-own-key-0123456789"
PATIENT = Patience(connect=5.0, first_byte=5.0, silence=5.0, whole=10.0)
PLAIN = Routing()
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


def at(url: str, name: str, priority: int = 1, patience: Patience = PATIENT) -> Model:
    """A model of the category SMALL that is asked at `url`."""
    plain = model(name, url=url, key=KEY, priority=priority)
    upstream = attrs.evolve(plain.upstream, patience=patience)
    return attrs.evolve(plain, upstream=upstream)


def said(**fields: object) -> bytes:
    """The body of a chat request."""
    least = {"model": "SMALL", "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({**least, **fields}).encode()


def events(raw: bytes) -> list[str]:
    """The data of each whole event (WHATWG HTML, "Interpreting an event stream")."""
    found: list[str] = []
    data: list[str] = []
    for line in _LINE_ENDS.split(raw.decode())[:-1]:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        if not line and data:
            found.append("\n".join(data))
            data = []
    return found


async def _chunks(reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    """The chunks of a body (RFC 9112, 7.1), as they come."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"


@attrs.define(eq=False)
class Call:
    """One request and its answer, as far as it has come."""

    status: int
    headers: dict[str, str]
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    body: bytes = b""
    _chunks: AsyncGenerator[bytes, None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._chunks = _chunks(self._reader)

    @classmethod
    async def begin(cls, port: int, raw: bytes) -> Call:
        """Send the request and read the head of the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(raw)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except BaseException:
            writer.close()
            raise
        first, *lines = head.strip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        headers = {name.lower(): value for name, _, value in pairs}
        return cls(int(first.split()[1]), headers, reader, writer)

    async def until(self, words: bytes) -> None:
        """Read on until `words` have come."""
        while words not in self.body:
            self.body += await anext(self._chunks)

    async def rest(self) -> Reply:
        """Read to the end of the answer."""
        if "content-length" in self.headers:
            size = int(self.headers["content-length"])
            self.body = await self._reader.readexactly(size)
        else:
            self.body += b"".join([data async for data in self._chunks])
        return Reply(self.status, self.headers, self.body)

    async def hung_up(self) -> None:
        """Wait until the proxy closes the connection; nothing may come before."""
        assert await self._reader.read() == b""

    async def close(self) -> None:
        await self._chunks.aclose()
        self._writer.close()


@attrs.define(eq=False)
class Listener(Recorder):
    """A recorder one can wait on."""

    _news: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def emit(self, event: Event) -> None:
        super().emit(event)
        self._news.set()

    async def request(self) -> RequestFinished:
        """The first request that ends."""
        while not self.requests:
            self._news.clear()
            await self._news.wait()
        return self.requests[0]


@attrs.define(eq=False)
class Stage:
    """A running proxy and its observer."""

    proxy: Proxy
    recorder: Listener

    @asynccontextmanager
    async def calling(self, body: bytes) -> AsyncIterator[Call]:
        """A chat request on a connection of its own, its answer begun."""
        raw = request("POST", "/v1/chat/completions", body)
        call = await Call.begin(self.proxy.port, raw)
        try:
            yield call
        finally:
            await call.close()

    async def ask(self, **fields: object) -> Reply:
        """The same, read to its end."""
        async with self.calling(said(**fields)) as call:
            return await call.rest()


@asynccontextmanager
async def staged(
    *models: Model,
    clock: Clock | None = None,
    clients: tuple[Client, ...] = (client(),),
    retry: RetryPolicy = QUICK,
    routing: Routing = PLAIN,
    max_request_bytes: int = 20_971_520,
    chance: Callable[[], float] = lambda: 0.5,  # no jitter
) -> AsyncIterator[Stage]:
    recorder = Listener()
    served = settings(
        *models,
        clients=clients,
        retry=retry,
        routing=routing,
        max_request_bytes=max_request_bytes,
    )
    proxy = Proxy(
        served,
        recorder,
        clock or SystemClock(),
        chance=chance,
    )
    await proxy.start()
    try:
        yield Stage(proxy, recorder)
    finally:
        await proxy.stop()
