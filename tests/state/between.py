"""Stands between a node and its Redis: makes that slow, or answers in its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from tests.state.servers import Server

_MOST = 1 << 20


@attrs.define(eq=False)
class Between:
    """Answers come `delay` seconds late; or are `instead`, whatever was asked."""

    path: Path
    delay: float = 0.0
    instead: bytes = b""

    @property
    def url(self) -> str:
        return f"unix://{self.path}"


async def _asks(
    between: Between,
    asking: asyncio.StreamReader,
    server: asyncio.StreamWriter,
    answers: asyncio.StreamWriter,
) -> None:
    while said := await asking.read(_MOST):
        if between.instead:
            answers.write(between.instead)
        else:
            server.write(said)


async def _answers(
    between: Between, server: asyncio.StreamReader, answers: asyncio.StreamWriter
) -> None:
    while said := await server.read(_MOST):
        await asyncio.sleep(between.delay)
        answers.write(said)


@asynccontextmanager
async def standing_between(server: Server) -> AsyncIterator[Between]:
    between = Between(server.folder / "between")

    async def serve(
        asking: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        reader, writer = await asyncio.open_unix_connection(str(server.socket))
        both = (
            asyncio.ensure_future(_asks(between, asking, writer, answers)),
            asyncio.ensure_future(_answers(between, reader, answers)),
        )
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            for end in (writer, answers):
                end.close()

    async with await asyncio.start_unix_server(serve, between.path):
        yield between
