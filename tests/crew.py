"""The workers of a daemon: which there are, and how to reach each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from tests.daemon import Daemon
from tests.serving import Reply, chat, read_reply, request, send

ECHO = "models: [{name: echo/a, provider: echo, model_size: SMALL}]\n"
SERVE = ("--config", "c.yaml", "--workers", "2")


def workers(daemon: Daemon) -> list[int]:
    """The process ids of those there are."""
    pid = daemon.process.pid
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


@attrs.define(eq=False)
class Kept:
    """A kept connection, and the worker at its other end: the start of its ids."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    worker: str = ""

    async def ask(self, raw: bytes) -> Reply:
        self.writer.write(raw)
        reply = await read_reply(self.reader)
        self.worker = reply.headers["x-request-id"][: len("req_0123456789ab")]
        return reply


@asynccontextmanager
async def one_to_each(port: int, count: int = 2) -> AsyncIterator[list[Kept]]:
    """A connection to each of the workers."""
    opened: list[Kept] = []
    try:
        while len({kept.worker for kept in opened}) < count:
            opened.append(Kept(*await asyncio.open_connection("127.0.0.1", port)))
            await opened[-1].ask(request("GET", "/ping"))
        yield [*{kept.worker: kept for kept in opened}.values()]
    finally:
        for kept in opened:
            kept.writer.close()


@asynccontextmanager
async def load(port: int) -> AsyncIterator[list[int]]:
    """Requests on kept and on new connections all along; the statuses answered."""
    statuses: list[int] = []

    async def on_new() -> None:
        while True:
            statuses.append((await send(port, chat())).status)

    async def on_kept(kept: Kept) -> None:
        while True:
            statuses.append((await kept.ask(chat())).status)

    async with one_to_each(port) as both:
        asking = [on_new(), *map(on_kept, both)]
        tasks = [asyncio.create_task(each) for each in asking]
        try:
            yield statuses
            seen = len(statuses)
            while len(statuses) < seen + 20:  # and it goes on after all that
                await send(port, request("GET", "/ping"))
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(each, asyncio.CancelledError) for each in ended)
