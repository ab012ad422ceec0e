"""What requests leave to the garbage collector, which comes rarely: next to nothing."""

from __future__ import annotations

import asyncio
import gc
import types
from collections.abc import Iterator

import pytest
from tornado.httputil import HTTPConnection
from tornado.web import RequestHandler

from tests.serving import chat, model, request, run, send, serving, settings

MODELS = (
    model("gone/first", url="http://127.0.0.1:9/chat", priority=9),
    model("echo/small"),
)
REQUESTS = {
    "an answer": (200, chat(model="echo/small")),
    "a stream": (200, chat(model="echo/small", stream=True)),
    "another one's answer": (200, chat()),
    "no answer": (502, chat(model="gone/first")),
    "an unknown model": (404, chat(model="nothing")),
    "no JSON": (400, chat(b"{")),
    "no token": (401, request("POST", "/v1/chat/completions", headers=())),
    "no route": (404, request("POST", "/v1/chat")),
}
KINDS = (RequestHandler, HTTPConnection, BaseException, types.FrameType)


@pytest.fixture
def found() -> Iterator[list[object]]:
    """What is found by the collector, and not thrown away."""
    gc.collect()
    gc.freeze()  # all else would be looked at each time
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.unfreeze()


@pytest.mark.parametrize(("status", "raw"), REQUESTS.values(), ids=REQUESTS.keys())
def test_what_a_request_took_goes_with_it(
    found: list[object], status: int, raw: bytes
) -> None:
    """No error, and no frame that it went through, keeps a body for a while."""

    async def test() -> None:
        async with serving(settings(*MODELS)) as (proxy, _):
            await send(proxy.port, raw)  # what is loaded once
            gc.collect()
            found.clear()
            assert (await send(proxy.port, raw)).status == status
            gc.collect()

    run(test)
    assert not [each for each in found if isinstance(each, KINDS)]


def test_half_a_request_goes_with_its_client(found: list[object]) -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            for _ in range(2):  # what is loaded once
                found.clear()
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(chat()[:-1])
                writer.close()
                while not recorder.requests:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0)
                recorder.events.clear()
                gc.collect()

    run(test)
    assert not [each for each in found if isinstance(each, KINDS)]
