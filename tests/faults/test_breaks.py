"""A stream that breaks when the client has part of it: one error event, and the end."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.clocks import FakeClock
from tests.e2e.stage import at, events, said, staged
from tests.faults.breaks import BEGUN, BREAKS, BROKEN_CHUNKS, FRAMES
from tests.faults.consequences import Consequence, Rests
from tests.faults.laboratory import (
    ASKING,
    PRIVATE,
    SECRET,
    TWICE,
    discreet,
    good,
    logged,
    patience,
    sharing_ten,
)
from tests.faults.script import End, Script, chunked
from tests.faults.upstream import scripted
from tests.serving import run


def error_in(raw: bytes) -> tuple[str, dict[str, object]]:
    """The text before the error event, which is the last, and the error."""
    *told, last = events(raw)
    sent = [json.loads(data) for data in told]
    text = "".join(s["choices"][0]["delta"].get("content", "") for s in sent)
    assert b"[DONE]" not in raw
    for secret in (*SECRET, *PRIVATE):
        assert secret not in raw.decode()
    error = json.loads(last)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return text, error


async def broken(kind: Consequence, script: Script, seen: asyncio.Event) -> None:
    """Go through a stream that breaks in that way once `seen` is set."""
    hangs = End.HOLD in script
    async with (
        scripted(script) as upstream,
        scripted(good(True)) as second,
        staged(
            at(upstream.url, "p/a", 1, patience(kind, hangs)),
            at(second.url, "q/b", 2),
            retry=TWICE,
        ) as stage,
        stage.calling(said(stream=True, **ASKING)) as call,
    ):
        await call.until(b" upon")
        seen.set()
        reply = await call.rest()
        await call.hung_up()

        assert reply.status == 200
        assert reply.headers["x-tproxy-model"] == "p/a"
        text, error = error_in(reply.body)
        assert text in ("Once upon", "Once upon a")
        assert (error["code"], error["type"]) == (kind.code, kind.type)
        assert error["param"] is None
        assert len(upstream.asked) == 1
        assert second.asked == []
        await logged(stage, kind.outcome)
        if hangs:
            await upstream.asked[0].left.wait()


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("name", BREAKS)
def test_after_the_first_content_there_is_one_error_event(
    name: str, frame: str
) -> None:
    kind, steps = BREAKS[name]

    async def test() -> None:
        seen = asyncio.Event()
        await broken(kind, FRAMES[frame]([*BEGUN, seen, *steps]), seen)

    run(test)


@pytest.mark.parametrize("name", BROKEN_CHUNKS)
def test_so_there_is_where_http_itself_breaks(name: str) -> None:
    kind, steps = BROKEN_CHUNKS[name]

    async def test() -> None:
        seen = asyncio.Event()
        begun = chunked([*BEGUN, seen, End.CLOSE])[:-1]
        await broken(kind, [*begun, *steps, End.CLOSE], seen)

    run(test)


@pytest.mark.parametrize("name", ["closed", "error", "not JSON", "limit"])
def test_a_stream_that_broke_counts_as_a_failure(name: str) -> None:
    """Five in a row, and the next request goes elsewhere; a limit rests at once.

    And each counts against the quota, for something was said.
    """
    kind, steps = BREAKS[name]
    times = 1 if kind.rests is Rests.QUOTA else 5

    async def test() -> None:
        seen = [asyncio.Event() for _ in range(times)]
        async with (
            scripted(*[chunked([*BEGUN, each, *steps]) for each in seen]) as upstream,
            scripted(good(True)) as second,
            staged(
                *sharing_ten(at(upstream.url, "p/a", 1), at(second.url, "q/b", 2)),
                clock=FakeClock(),
            ) as stage,
        ):
            for each in seen:
                async with stage.calling(said(stream=True, **ASKING)) as call:
                    await call.until(b" upon")
                    each.set()
                    error_in((await call.rest()).body)
            reply = await stage.ask(stream=True, **ASKING)

            assert reply.headers["x-tproxy-model"] == "q/b"
            left = reply.headers["x-ratelimit-remaining-requests"]
            assert int(left) == 10 - times - 1
            assert len(upstream.asked) == times
            discreet(stage)

    run(test)
