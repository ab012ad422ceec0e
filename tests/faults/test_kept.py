"""Kept connections: what was left over on one never becomes another one's answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import attrs
import pytest

from tests.dialect import completion
from tests.e2e.stage import at, staged
from tests.faults.laboratory import ASKING, discreet, envelope, good, logged, wait
from tests.faults.script import End, Script, head, raw, whole
from tests.faults.table import streamed
from tests.faults.upstream import scripted
from tests.serving import run
from tproxy.core.model import Limits, Reach

EVIL = whole(completion("Evil"))
LEFT_OVER: Mapping[str, bytes] = {
    "garbage": b"\x00\xff garbage",
    "a blank line, and garbage": b"\r\n\r\nHTTP/9 what",
    "a second answer": raw(EVIL),
    "a second head": head(500, {"Content-Length": "0"}),
    "half a second head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@streamed
@pytest.mark.parametrize("late", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize("name", LEFT_OVER)
def test_bytes_nobody_asked_for_answer_nobody(
    name: str, late: bool, stream: bool
) -> None:
    first, extra, later = raw(good(stream)), LEFT_OVER[name], asyncio.Event()
    script: Script = [first, later, extra] if late else [first + extra]

    async def test() -> None:
        async with (
            scripted(script, good(stream)) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            before = await stage.ask(model="p/a", stream=stream, **ASKING)
            later.set()
            await upstream.left_alone()  # or whatever comes next might be the answer
            after = await stage.ask(model="p/a", stream=stream, **ASKING)

            assert (before.status, before.body.count(b"Hello")) == (200, 1)
            assert (after.status, after.body) == (200, before.body)
            assert len(upstream.accepted) == 2
            discreet(stage)

    run(test)


@streamed
@pytest.mark.parametrize("end", [End.CLOSE, End.RESET])
def test_one_that_is_closed_as_it_is_used_is_nobodys_failure(
    end: End, stream: bool
) -> None:
    """The next try is free, and on a fresh one, where a failure is one."""

    async def test() -> None:
        async with (
            scripted(good(stream), [end], good(stream), [end], [end]) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            await stage.ask(model="p/a", stream=stream, **ASKING)
            again = await stage.ask(model="p/a", stream=stream, **ASKING)
            failed = await stage.ask(model="p/a", stream=stream, **ASKING)

            assert (again.status, again.body.count(b"Hello")) == (200, 1)
            assert again.headers["x-tproxy-attempts"] == "2"
            assert (failed.status, envelope(failed)["code"]) == (502, "upstream_error")
            told = [
                [attempt.outcome for attempt in request.attempts]
                for request in stage.recorder.requests
            ]
            assert told == [["answered"], ["stale", "answered"], ["stale", "lost"]]
            discreet(stage)

    run(test)


@streamed
def test_where_all_are_in_use_one_is_told_at_once(stream: bool) -> None:
    reach = Reach(Limits(max_conns_per_host=1, max_waiting_per_host=0))
    held = asyncio.Event()

    async def test() -> None:
        async with scripted([held, *good(stream)]) as upstream:
            model = at(upstream.url, "p/a")
            model = attrs.evolve(
                model, upstream=attrs.evolve(model.upstream, reach=reach)
            )
            async with staged(model) as stage:
                first = asyncio.create_task(stage.ask(model="p/a", stream=stream))
                await upstream.first_asked()
                reply = await stage.ask(model="p/a", stream=stream, **ASKING)
                await logged(stage, "crowded")
                held.set()

                assert (reply.status, envelope(reply)["code"]) == (503, "no_candidate")
                assert wait(reply) == 1.0
                assert (await first).status == 200

    run(test)
