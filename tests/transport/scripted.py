"""Scripted providers on the loopback interface, and event loops to ask them from."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs
import uvloop

from tests.skipping import SkippingLoop
from tproxy.core.model import Patience, Tls, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamReply, UpstreamRequest

T = TypeVar("T")

DATA = Path(__file__).parent / "data"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,  # whatever the policy
    "uvloop": uvloop.new_event_loop,
}
SKIPPING = "skipping"  # a loop on which waiting takes no time


async def reads(reply: UpstreamReply) -> AsyncIterator[bytes]:
    """All reads of a reply."""
    while data := await reply.read():
        yield data


def run(loop: str, main: Coroutine[Any, Any, T], *, quietly: bool = True) -> T:
    """Run `main`; fail where it leaves a task behind or makes the loop complain."""
    complaints: list[dict[str, Any]] = []
    factory, seconds = LOOPS.get(loop, SkippingLoop), 10 if loop in LOOPS else 3_600

    async def watched() -> T:
        running = asyncio.get_running_loop()
        running.set_exception_handler(lambda _, what: complaints.append(what))
        async with asyncio.timeout(seconds):
            result = await main
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - tasks tell nobody
                await asyncio.sleep(0)
        return result

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(watched())
    assert complaints == [] or not quietly
    return result


@attrs.define(eq=False)
class Visit:
    """One connection, as the provider sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    gone: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def request(self) -> bytes:
        """The next request, whole.

        Raises:
            asyncio.IncompleteReadError: the client left.
        """
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size = int(line.split(b":")[1])
        return head + await self.reader.readexactly(size)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def left(self) -> None:
        """Wait for the client to close."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass
        self.gone.set()

    def reset(self) -> None:
        self.writer.transport.abort()


Script = Callable[[Visit], Awaitable[None]]


@attrs.define(eq=False)
class Provider:
    url: str
    port: int
    visits: list[Visit] = attrs.field(factory=list)
    arrived: asyncio.Condition = attrs.field(factory=asyncio.Condition)

    async def visit(self, number: int) -> Visit:
        """Connection `number`, from 1 on, once it is there."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.visits) >= number)
        return self.visits[number - 1]


@asynccontextmanager
async def provider(
    script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Provider]:
    """Plays `script` to each connection, and closes it where the script ends."""
    tasks: set[asyncio.Task[None]] = set()

    async def play(visit: Visit) -> None:
        async with here.arrived:
            here.visits.append(visit)
            here.arrived.notify_all()
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await script(visit)
        finally:
            visit.writer.close()
            visit.gone.set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer, len(tasks) + 1)
        tasks.add(asyncio.get_running_loop().create_task(play(visit)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    scheme = "http" if tls is None else "https"
    here = Provider(f"{scheme}://{host}:{port}", port)
    try:
        yield here
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answers(*replies: bytes) -> Script:
    """Each connection gets these replies, a request each, and is then kept open."""

    async def script(visit: Visit) -> None:
        for reply in replies:
            await visit.request()
            await visit.send(reply)
        await visit.left()

    return script


def always(reply: bytes) -> Script:
    """Every request on every connection gets this reply."""

    async def script(visit: Visit) -> None:
        while True:
            await visit.request()
            await visit.send(reply)

    return script


def ask(url: str, body: bytes = b"{}", method: str = "POST") -> UpstreamRequest:
    return UpstreamRequest(method, url, (("X-Test", "yes"),), body)


def upstream(tls: Tls | None = None) -> Upstream:
    return Upstream("", "openai", Secret("k"), tls=Tls() if tls is None else tls)


PATIENT = Patience(connect=5.0, first_byte=5.0, silence=5.0)


def server_tls(*, client_ca: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DATA / "localhost.pem", DATA / "localhost.key")
    if client_ca:
        context.load_verify_locations(DATA / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


TRUSTED = Tls(ca_file=str(DATA / "ca.pem"))
SHOWN = Tls(
    ca_file=str(DATA / "ca.pem"),
    client_cert=str(DATA / "client.pem"),
    client_key=str(DATA / "client.key"),
)
