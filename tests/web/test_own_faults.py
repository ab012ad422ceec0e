"""Faults of our own, at the end of an answer and in the middle of one."""

from __future__ import annotations

import asyncio

import pytest

from tests.serving import (
    Recorder,
    chat,
    model,
    request,
    run,
    send,
    serving,
    settings,
)
from tproxy.core.events import Event, RequestFinished
from tproxy.providers.openai import PassThrough
from tproxy.web.health import PingHandler


async def received(port: int, asked: bytes) -> bytes:
    """All that comes until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(asked)
    try:
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("value", ["two\r\nlines", "\u0416"])
def test_an_answer_that_cannot_be_written_is_told_once_and_leaves_nobody_waiting(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def get(self: PingHandler) -> None:
        self.said["X-Unwritable"] = [value]

    monkeypatch.setattr(PingHandler, "get", get)

    async def test() -> None:
        async with serving() as (proxy, recorder):
            assert await received(proxy.port, request("GET", "/ping")) == b""
            assert len(recorder.requests) == 1
            assert [n.message for n in recorder.notices] == ["a fault of our own"]

    run(test)


@pytest.mark.parametrize("name", ["echo/two\r\nlines", "echo/\u0416"])
def test_a_stream_that_cannot_begin_is_told_of_as_an_error(name: str) -> None:
    async def test() -> None:
        async with serving(settings(model(name))) as (proxy, recorder):
            reply = await send(proxy.port, chat(model=name, stream=True))
            assert (reply.status, reply.error["code"]) == (500, "internal_error")
            assert [told.status for told in recorder.requests] == [500]
            assert [n.message for n in recorder.notices] == ["a fault of our own"]

    run(test)


def test_who_cannot_note_an_answer_does_not_keep_it_from_the_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def emit(self: Recorder, event: Event) -> None:
        if isinstance(event, RequestFinished):
            raise OverflowError

    monkeypatch.setattr(Recorder, "emit", emit)

    async def test() -> None:
        async with serving() as (proxy, _):
            assert (await send(proxy.port, request("GET", "/ping"))).status == 200

    run(test)


def test_a_stream_that_we_break_does_not_pass_for_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, fed = PassThrough.feed, 0

    def feed(self: PassThrough, data: bytes) -> bytes:
        nonlocal fed
        fed += 1
        if fed == 3:
            raise ZeroDivisionError
        return whole(self, data)

    monkeypatch.setattr(PassThrough, "feed", feed)

    async def test() -> None:
        async with serving() as (proxy, recorder):
            text = await received(proxy.port, chat(stream=True))
            assert b'"code": "internal_error"' in text
            assert b"[DONE]" not in text
            [told] = recorder.requests
            assert (told.status, told.code) == (200, "internal_error")

    run(test)
