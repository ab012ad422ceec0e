"""A provider on a loopback socket that answers by script, fault by fault.

Bytes are sent as they are, an event is waited for, and an `End` is the last step. A
script without one leaves the connection open for the next request.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from typing import TypeVar, cast

import attrs

from tests.faults.script import Drip, End, Script, Step, chunk

T = TypeVar("T")


@attrs.frozen(eq=False)
class Asked:
    """One request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    left: asyncio.Event  # the other side has hung up
    sent: Callable[[], int]  # bytes of the answer that have been taken off us


@attrs.define(eq=False)
class ScriptedUpstream:
    """Request by request the next script; the last one also for all that follow.

    It goes on as fast as what it sends is taken.
    """

    scripts: Sequence[Script]
    on_accept: Script = ()
    scheme: str = "http"
    port: int = 0
    asked: list[Asked] = attrs.field(factory=list)
    accepted: list[_Connection] = attrs.field(factory=list)
    connected: set[_Connection] = attrs.field(factory=set)
    _met: asyncio.Event = attrs.field(factory=asyncio.Event)
    _heard: asyncio.Event = attrs.field(factory=asyncio.Event)
    _empty: asyncio.Event = attrs.field(factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/v1/chat/completions"

    async def first_connected(self) -> None:
        await self._met.wait()

    async def first_asked(self) -> Asked:
        await self.asked_by(1)
        return self.asked[0]

    async def asked_by(self, many: int) -> None:
        """Wait for so many requests."""
        while len(self.asked) < many:
            self._heard.clear()
            await self._heard.wait()

    async def left_alone(self) -> None:
        """Wait until nobody is connected."""
        while self.connected:
            self._empty.clear()
            await self._empty.wait()

    def take(self, asked: Asked) -> Script:
        """Note a request; return the script that answers it."""
        self.asked.append(asked)
        self._heard.set()
        return self.script_for(asked)

    def script_for(self, asked: Asked) -> Script:
        return self.scripts[min(len(self.asked), len(self.scripts)) - 1]

    def come(self, connection: _Connection) -> None:
        self.accepted.append(connection)
        self.connected.add(connection)
        self._met.set()

    def gone(self, connection: _Connection) -> None:
        self.connected.discard(connection)
        self._empty.set()


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._got = bytearray()
        self._news = asyncio.Event()
        self._gone = asyncio.Event()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not every loop's transports are derived from what they are.
        self._transport = cast("asyncio.Transport", transport)
        self._upstream.come(self)
        self._serving = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        self._got += data
        self._news.set()

    def eof_received(self) -> None:
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.gone(self)
        self._left()

    def pause_writing(self) -> None:
        self._flowing.clear()

    def resume_writing(self) -> None:
        self._flowing.set()

    def _left(self) -> None:
        self._gone.set()
        self._news.set()
        self._flowing.set()

    async def drop(self) -> None:
        """Hang up at once, and say what went wrong, if anything did."""
        self._transport.abort()
        self._serving.cancel()
        with suppress(asyncio.CancelledError):
            await self._serving

    async def _serve(self) -> None:
        for step in self._upstream.on_accept:
            await self._take(step)
        while (asked := await self._request()) is not None:
            for step in self._upstream.take(asked):
                await self._take(step)
            if asked.headers.get("connection") == "close":
                break
        self._transport.close()

    async def _take(self, step: Step) -> None:
        match step:
            case bytes():
                self._transport.write(step)
                self._sent += len(step)
                await self._flowing.wait()
            case asyncio.Event():
                await self._unless_gone(step.wait())
            case Drip(data, seconds):
                for byte in data:
                    await self._unless_gone(asyncio.sleep(seconds))
                    if self._gone.is_set():
                        break
                    self._transport.write(bytes([byte]))
            case asyncio.Queue():
                while piece := await self._unless_gone(step.get()):
                    self._transport.write(chunk(piece))
            case End.HOLD:
                await self._gone.wait()
            case End.CLOSE:
                self._transport.close()
            case End.RESET:
                raw = self._transport.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self._transport.abort()

    async def _unless_gone(self, awaited: Awaitable[T]) -> T | None:
        """What is waited for; None once the other side has left."""
        wanted, gone = map(asyncio.ensure_future, (awaited, self._gone.wait()))
        try:
            await asyncio.wait((wanted, gone), return_when=asyncio.FIRST_COMPLETED)
            return wanted.result() if wanted.done() else None
        finally:
            wanted.cancel()
            gone.cancel()

    async def _request(self) -> Asked | None:
        end = await self._until(lambda: self._got.find(b"\r\n\r\n") + 1)
        if not end:
            return None
        first, *lines = self._got[: end - 1].decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body, size = end + 3, int(headers.get("content-length", "0"))
        if not await self._until(lambda: len(self._got) >= body + size):
            return None
        method, path, _ = first.split(" ")
        said = bytes(self._got[body : body + size])
        del self._got[: body + size]
        return Asked(method, path, headers, said, self._gone, lambda: self._sent)

    async def _until(self, found: Callable[[], int]) -> int:
        while not (value := found()):
            if self._gone.is_set():
                return 0
            self._news.clear()
            await self._news.wait()
        return value


@asynccontextmanager
async def scripted(
    *scripts: Script, on_accept: Script = (), tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedUpstream]:
    """A provider that listens. `on_accept` comes before anything is asked.

    Whoever asked it has to have hung up when the block ends.
    """
    upstream = ScriptedUpstream(scripts, on_accept, "https" if tls else "http")
    async with listening(upstream, tls):
        yield upstream


@asynccontextmanager
async def listening(
    upstream: ScriptedUpstream, tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Have `upstream` listen until the block ends."""
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(upstream), "127.0.0.1", 0, ssl=tls
    )
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield
        await upstream.left_alone()
    finally:
        server.close()
        for each in upstream.accepted:
            await each.drop()
        await server.wait_closed()


@contextmanager
def refusing() -> Iterator[int]:
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@contextmanager
def deaf() -> Iterator[int]:
    """A port whose queue of connections is full: the next ones are never accepted."""
    with ExitStack() as sockets:
        listening = sockets.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(2):
            queued = sockets.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
