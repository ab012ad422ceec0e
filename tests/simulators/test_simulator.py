"""The simulators' own machinery, asked over a socket by hand."""

from __future__ import annotations

import asyncio

import pytest

from tests.serving import Reply, request, run, send
from tests.simulators.simulator import (
    Asked,
    Fault,
    Said,
    Simulator,
    cut,
    event,
    garbage,
    hang,
    instead,
    reset,
    shortened,
    simulating,
)

CLOSING = ("Connection: close", "X-Key: k")
STREAM = (b'data: {"n": 1}\n\n', b"data: [DONE]\n\n")


def answer(asked: Asked) -> Said:
    if asked.query.get("stream"):
        return Said.events({"n": 1}, "[DONE]")
    return Said.json({"said": asked.json["say"]}, headers={"X-Id": "1"})


async def ask(simulator: Simulator, path: str = "/v1/x") -> Reply:
    raw = request("POST", path, b'{"say": "\xc3\xa9"}', CLOSING)
    return await send(simulator.port, raw)


def test_it_answers_what_it_is_asked() -> None:
    async def test() -> None:
        async with simulating(answer) as simulator:
            reply = await ask(simulator, "/v1/x?key=&a=b%20c")

        [asked] = simulator.requests
        assert (asked.method, asked.path) == ("POST", "/v1/x")
        assert asked.query == {"key": "", "a": "b c"}
        assert asked.headers["x-key"] == "k"
        assert reply.status == 200
        assert reply.body == '{"said": "é"}'.encode()
        assert reply.headers["x-id"] == "1"
        assert simulator.url == f"http://127.0.0.1:{simulator.port}"

    run(test)


def test_a_stream_comes_whole() -> None:
    async def test() -> None:
        async with simulating(answer) as simulator:
            reply = await ask(simulator, "/?stream=1")

        assert reply.body == b"".join(STREAM)
        assert reply.headers["content-type"] == "text/event-stream"

    run(test)


def test_faults_come_in_order_and_then_it_is_well() -> None:
    slow = Said.json({}, status=429, headers={"Retry-After": "3"})

    async def test() -> None:
        async with simulating(answer) as simulator:
            simulator.fail(instead(slow), garbage)
            replies = [await ask(simulator) for _ in range(3)]

        assert [reply.status for reply in replies] == [429, 200, 200]
        assert replies[0].headers["retry-after"] == "3"
        assert replies[1].body.startswith(b"\x00\xff")
        assert replies[2].body.startswith(b'{"said"')

    run(test)


@pytest.mark.parametrize(
    "fault", [cut(after=1), cut(after=0), reset], ids=["cut", "at once", "reset"]
)
def test_it_breaks_off(fault: Fault) -> None:
    async def test() -> None:
        async with simulating(answer) as simulator:
            for path in ("/", "/?stream=1"):
                simulator.fail(fault)
                with pytest.raises((asyncio.IncompleteReadError, OSError, ValueError)):
                    await ask(simulator, path)

    run(test)


def test_it_ends_a_stream_early_but_cleanly() -> None:
    async def test() -> None:
        async with simulating(answer) as simulator:
            simulator.fail(shortened(after=1))
            reply = await ask(simulator, "/?stream=1")

        assert reply.body == STREAM[0]

    run(test)


def test_it_hangs_until_it_is_left() -> None:
    async def test() -> None:
        async with simulating(answer) as simulator:
            simulator.fail(hang)
            asking = asyncio.ensure_future(ask(simulator))
            await simulator.first_asked()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    run(test)


def test_an_event_has_the_line_ends_and_the_name_that_are_asked_for() -> None:
    assert event({"a": "é"}) == 'data: {"a": "é"}\n\n'.encode()
    assert event("x", "done", "\r\n") == b"event: done\r\ndata: x\r\n\r\n"
