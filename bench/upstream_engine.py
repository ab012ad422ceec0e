"""What the upstream engine costs, beside a bare asyncio and llhttp exchange.

Servers run in a process of their own; what is measured is this process's CPU.

    python -m bench.upstream_engine [--loop uvloop|asyncio] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe
from typing import cast

from httptools import HttpResponseParser

from tproxy.core.model import Patience, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamRequest
from tproxy.transport.pooled import PooledTransport

_BODY = (
    b'{"choices":[{"message":{"role":"assistant","content":"' + b"x" * 700 + b'"}}]}'
)
_HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
    b"Content-Type: application/json\r\nServer: nginx\r\nX-Request-Id: 0123456789\r\n"
    b"X-Ratelimit-Remaining-Requests: 99\r\n"
)
_SIZED = _HEAD + b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY
_STREAM = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
_EVENT = b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n'
_CHUNK = b"%x\r\n%s\r\n" % (len(_EVENT), _EVENT)
_CHUNKS = 2000
_AT_ONCE = 8


class _Provider(asyncio.Protocol):
    """Answers what ends a POST's body with `size`, or streams for `/stream`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._left = 0

    def data_received(self, data: bytes) -> None:
        if self._left <= 0:
            head, _, rest = data.partition(b"\r\n\r\n")
            self._path = head.split(b" ", 2)[1]
            size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self._left = size - len(rest)
        else:
            self._left -= len(data)
        if self._left <= 0:
            if self._path == b"/stream":
                self._task = asyncio.ensure_future(self._stream())
            else:
                self._transport.write(_SIZED)

    async def _stream(self) -> None:
        self._transport.write(_STREAM)
        for _ in range(_CHUNKS):
            self._transport.write(_CHUNK)
            await asyncio.sleep(0.0005)
        self._transport.write(b"0\r\n\r\n")


def _serve(pipe: Pipe, loop: str) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(
            _Provider, "127.0.0.1", 0
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    _run(main(), loop)


def _run(main: Awaitable[None], loop: str) -> None:
    factory = None
    if loop == "uvloop":
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main)  # type: ignore[arg-type] # it takes coroutines only


class _Bare(asyncio.Protocol):
    """The least there can be: one connection, one future, no limits of any kind."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = HttpResponseParser(self)
        self.loop = asyncio.get_running_loop()

    async def ask(self, request: bytes) -> bytes:
        self.body: list[bytes] = []
        self.headers: list[tuple[bytes, bytes]] = []
        self.done: asyncio.Future[bytes] = self.loop.create_future()
        self.transport.write(request)
        return await self.done

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.done.set_result(b"".join(self.body))


async def _cpu(work: Callable[[], Awaitable[int]]) -> float:
    """CPU microseconds per unit of `work`."""
    before = time.process_time()
    units = await work()
    return (time.process_time() - before) / units * 1e6


_HEADERS = (
    ("Content-Type", "application/json"),
    ("Authorization", "Bearer sk-0123456789abcdef0123456789abcdef"),
)


class _Engine:
    """The work, done by the engine."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._upstream = Upstream(self._base, "openai", Secret("k"))
        self._patience = Patience()
        self.transport = PooledTransport()

    async def exchanges(self, size: int, requests: int) -> int:
        request = UpstreamRequest("POST", f"{self._base}/v1", _HEADERS, b"x" * size)

        async def some() -> None:
            for _ in range(requests // _AT_ONCE):
                await self._reads(request)

        await asyncio.gather(*[some() for _ in range(_AT_ONCE)])
        return requests

    async def chunks(self) -> int:
        request = UpstreamRequest("POST", f"{self._base}/stream", _HEADERS, b"x")
        return await self._reads(request)

    async def _reads(self, request: UpstreamRequest) -> int:
        reads = 0
        opening = self.transport.open(request, self._upstream, self._patience)
        async with opening as reply:
            while await reply.read():
                reads += 1
        return reads


class _Least:
    """The same work, done with nothing but asyncio and llhttp."""

    def __init__(self, protocols: list[_Bare]) -> None:
        self._protocols = protocols
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in _HEADERS)

    async def exchanges(self, size: int, requests: int) -> int:
        request = self._request("/v1", size)

        async def some(protocol: _Bare) -> None:
            for _ in range(requests // _AT_ONCE):
                await protocol.ask(request)

        await asyncio.gather(*[some(protocol) for protocol in self._protocols])
        return requests

    async def chunks(self) -> int:
        await self._protocols[0].ask(self._request("/stream", 1))
        return _CHUNKS

    def _request(self, path: str, size: int) -> bytes:
        start = f"POST {path} HTTP/1.1\r\nHost: x\r\n{self._lines}"
        return f"{start}Content-Length: {size}\r\n\r\n".encode() + b"x" * size


async def _measure(port: int, rounds: int, requests: int) -> None:
    loop = asyncio.get_running_loop()
    connected = [
        await loop.create_connection(_Bare, "127.0.0.1", port) for _ in range(_AT_ONCE)
    ]
    bare = _Least([protocol for _, protocol in connected])
    engine = _Engine(port)
    table: dict[str, Callable[[], Awaitable[int]]] = {
        "bare, 1 KB request": lambda: bare.exchanges(1000, requests),
        "engine, 1 KB request": lambda: engine.exchanges(1000, requests),
        "bare, 100 KB request": lambda: bare.exchanges(100_000, requests),
        "engine, 100 KB request": lambda: engine.exchanges(100_000, requests),
        "bare, chunk": bare.chunks,
        "engine, chunk": engine.chunks,
    }
    figures: dict[str, list[float]] = {name: [] for name in table}
    for _ in range(rounds):
        for name, work in table.items():
            figures[name].append(await _cpu(work))
    for name, found in figures.items():
        print(f"{name:26}{statistics.median(found):8.1f} µs  (least {min(found):.1f})")
    engine.transport.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--loop", default="uvloop", choices=["uvloop", "asyncio"])
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--requests", type=int, default=5000)
    given = arguments.parse_args()
    ours, theirs = multiprocessing.Pipe()
    provider = multiprocessing.Process(target=_serve, args=(theirs, given.loop))
    provider.start()
    try:
        cores = len(os.sched_getaffinity(0))
        print(f"{given.loop}, {cores} cores, CPU of the asking process")
        _run(_measure(ours.recv(), given.rounds, given.requests), given.loop)
    finally:
        provider.terminate()
        provider.join()


if __name__ == "__main__":
    main()
