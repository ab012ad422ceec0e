"""CPU per request of the listening engine, beside others in the same run.

    python -m bench.listening_engine [--seconds 3] [--loop uvloop|asyncio]
        [--only PATTERN] [--rounds 1]

Each server runs in a process of its own, on a core of its own where there are two; the
load is `wrk` with 32 connections. What counts is the server's CPU time per answered
request, in microseconds, and its ratio to `bare`: asyncio and llhttp alone, which
answer without reading.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

import attrs
import httptools
import uvloop
from tornado.httpserver import HTTPServer
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    ResponseStartLine,
)
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler, stream_request_body

from tproxy.server.server import Server

CHUNKS = 100
BODY = b'{"model": "m", "messages": [{"role": "user", "content": "%s"}]}' % (b"x" * 900)
ANSWER = b'{"id": "x", "choices": [{"message": {"content": "hello"}}]}'
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(ANSWER)
)
WRK = """
wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json"
wrk.headers["User-Agent"] = "OpenAI/Python"
wrk.headers["Authorization"] = "Bearer 0123456789012345678901234567890123456789"
wrk.headers["X-Stainless-Lang"] = "python"
wrk.headers["X-Stainless-Async"] = "async:asyncio"
"""


class Small(RequestHandler):
    def post(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(ANSWER)


@stream_request_body
class Streamed(Small):
    def prepare(self) -> None:
        self.body = bytearray()

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk


class Chunks(RequestHandler):
    async def post(self) -> None:
        for _ in range(CHUNKS):
            self.write(b"data: {}\n\n")
            await self.flush()


class Turns(RequestHandler):
    """As `Chunks`, with one turn of the loop for each."""

    async def post(self) -> None:
        for _ in range(CHUNKS):
            self.write(b"data: {}\n\n")
            await self.flush()
            await asyncio.sleep(0)


class Bare(asyncio.Protocol):
    """The least that a server on llhttp can do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        pass

    def on_message_complete(self) -> None:
        self.transport.write(HEAD + ANSWER)  # type: ignore[attr-defined]


class Direct(HTTPServerConnectionDelegate):
    """An application that is nothing but an answer: what is left is the engine."""

    def start_request(
        self, server_conn: object, request_conn: HTTPConnection
    ) -> HTTPMessageDelegate:
        return Answering(request_conn)


@attrs.define
class Answering(HTTPMessageDelegate):
    connection: HTTPConnection

    def finish(self) -> None:
        headers = HTTPHeaders({"Content-Type": "application/json"})
        headers["Content-Length"] = str(len(ANSWER))
        start = ResponseStartLine("HTTP/1.1", 200, "OK")
        self.connection.write_headers(start, headers, ANSWER)
        self.connection.finish()


def application() -> Application:
    return Application(
        [
            ("/small", Small),
            ("/body", Streamed),
            ("/chunks", Chunks),
            ("/turns", Turns),
        ],
        log_function=lambda handler: None,
    )


async def bare(sockets: list[socket.socket]) -> None:
    await asyncio.get_running_loop().create_server(Bare, sock=sockets[0])


async def ours(sockets: list[socket.socket]) -> None:
    await Server(application()).start(sockets)


async def direct(sockets: list[socket.socket]) -> None:
    await Server(Direct()).start(sockets)


async def stock(sockets: list[socket.socket]) -> None:
    HTTPServer(application()).add_sockets(sockets)


Start = Callable[[list[socket.socket]], Awaitable[None]]


def serve(start: Start, loop: str, told: Connection) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {0})

    async def run() -> None:
        sockets = bind_sockets(0, "127.0.0.1")
        await start(sockets)
        told.send(sockets[0].getsockname()[1])
        questions: asyncio.Queue[None] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(
            told.fileno(), lambda: questions.put_nowait(told.recv())
        )
        while True:
            await questions.get()
            used = resource.getrusage(resource.RUSAGE_SELF)
            told.send(used.ru_utime + used.ru_stime)

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run())


def load(port: int, path: str, seconds: int, script: Path) -> int:
    """Ask for so long; return how many requests were answered."""
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", "-s", str(script)]
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        command = ["taskset", "-c", "1", *command]
    url = f"http://127.0.0.1:{port}/{path}"
    said = subprocess.run([*command, url], check=True, capture_output=True, text=True)
    if "Non-2xx" in said.stdout:
        raise SystemExit(said.stdout)
    [answered] = re.findall(r"(\d+) requests in", said.stdout)
    return int(answered)


def measure(
    start: Start, loop: str, path: str, seconds: int, script: Path
) -> tuple[float, float]:
    """CPU microseconds per request, and requests per second."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=serve, args=(start, loop, theirs))
    process.start()
    port = ours.recv()
    try:
        load(port, path, 1, script)
        ours.send(None)
        before = ours.recv()
        began = time.perf_counter()
        answered = load(port, path, seconds, script)
        took = time.perf_counter() - began
        ours.send(None)
        return (ours.recv() - before) / answered * 1e6, answered / took
    finally:
        process.terminate()
        process.join()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--loop", default="uvloop", choices=("uvloop", "asyncio"))
    options.add_argument("--only", default="")
    options.add_argument("--rounds", type=int, default=1)
    given = options.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed")
    cases: list[tuple[str, Start, str]] = [
        ("bare", bare, "small"),
        ("ours, without Tornado", direct, "small"),
        ("ours", ours, "small"),
        ("stock", stock, "small"),
        ("ours, streamed body", ours, "body"),
        ("stock, streamed body", stock, "body"),
        ("ours, 100 KB body", ours, "body"),
        ("stock, 100 KB body", stock, "body"),
        ("ours, 100 chunks", ours, "chunks"),
        ("stock, 100 chunks", stock, "chunks"),
        ("ours, 100 chunks in turns", ours, "turns"),
        ("stock, 100 chunks in turns", stock, "turns"),
    ]
    with tempfile.TemporaryDirectory() as directory:
        small, large = Path(directory) / "small.lua", Path(directory) / "large.lua"
        small.write_text(WRK % BODY.decode())
        large.write_text(WRK % (BODY.decode() + " " * 100_000))
        base = 0.0
        for _ in range(given.rounds):
            for name, start, path in cases:
                if given.only and not re.search(given.only, name):
                    continue
                script = large if "KB" in name else small
                cost, rate = measure(start, given.loop, path, given.seconds, script)
                base = base or cost
                per = f"{cost / CHUNKS:6.1f} a chunk" if "chunks" in name else ""
                print(
                    f"{name:28} {cost:8.1f} µs {cost / base:6.2f} x "
                    f"{rate:8.0f} /s {per}"
                )


if __name__ == "__main__":
    main()
