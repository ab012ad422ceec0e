"""Two candidates at once, over real sockets: one answers, the other is hung up on."""

from __future__ import annotations

import asyncio

import pytest

from tests import dialect
from tests.dialect import completion, event
from tests.e2e.stage import Stage, at, said, staged
from tests.faults.script import End, Script, chunked, head, whole
from tests.faults.upstream import scripted
from tests.serving import request, run
from tproxy.core.hedging import EVERY, FEWEST_TIMES
from tproxy.core.model import Routing

HEDGED = Routing(hedge=frozenset({"SMALL"}))

streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def good(stream: bool) -> Script:
    return chunked(dialect.stream("Hello")) if stream else whole(completion("Hello"))


def experienced(stage: Stage) -> None:
    """All was quick so far, and one may be hedged."""
    hedging = stage.proxy._ports.hedging["SMALL"]
    for _ in range(EVERY):
        hedging.allowance.earn()
    for _ in range(FEWEST_TIMES):
        for stream in (True, False):
            hedging.began(0.0, stream=stream)


STUCK: dict[str, Script] = {
    "silent": [End.HOLD],
    "only a head": [head(200, {"Content-Type": "application/json"}), End.HOLD],
    "no content": chunked([event(), b": wait\n\n", End.HOLD]),
}


@streamed
@pytest.mark.parametrize("stuck", STUCK)
def test_the_second_answers(stuck: str, stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted(STUCK[stuck]) as first,
            scripted(good(stream)) as second,
            staged(
                at(first.url, "p/a", 1), at(second.url, "q/b", 2), routing=HEDGED
            ) as stage,
        ):
            experienced(stage)
            async with stage.calling(said(stream=stream)) as call:
                await first.asked[0].left.wait()  # before the answer is whole
                seen = await call.rest()

            assert (seen.status, b"Hello" in seen.body) == (200, True)
            assert seen.headers["x-tproxy-model"] == "q/b"
            assert seen.headers["x-tproxy-attempts"] == "2"
            words = "category SMALL; priority 2; hedged after 20 ms; p/a outrun"
            assert seen.headers["x-tproxy-reason"] == words
            told = await stage.recorder.request()
            outcomes = [(each.model, each.outcome) for each in told.attempts]
            assert outcomes == [("p/a", "outrun"), ("q/b", "answered")]
            hedging = stage.proxy._ports.hedging["SMALL"]
            assert (hedging.allowance.hedged, hedging.won) == (1, 1)

    run(test)


@streamed
def test_the_first_answers_after_all(stream: bool) -> None:
    async def test() -> None:
        late = asyncio.Event()
        async with (
            scripted([late, *good(stream)]) as first,
            scripted([End.HOLD]) as second,
            staged(
                at(first.url, "p/a", 1), at(second.url, "q/b", 2), routing=HEDGED
            ) as stage,
        ):
            experienced(stage)
            asking = asyncio.create_task(stage.ask(stream=stream))
            asked = await second.first_asked()
            late.set()
            seen = await asking
            await asked.left.wait()

            assert seen.headers["x-tproxy-model"] == "p/a"
            assert seen.headers["x-tproxy-attempts"] == "2"
            assert seen.headers["x-tproxy-reason"].endswith("; q/b outrun")

    run(test)


@streamed
def test_what_the_second_refuses_is_not_told(stream: bool) -> None:
    async def test() -> None:
        late = asyncio.Event()
        async with (
            scripted([late, *good(stream)]) as first,
            scripted(whole(b"{}", 400, {"Connection": "close"})) as second,
            staged(
                at(first.url, "p/a", 1), at(second.url, "q/b", 2), routing=HEDGED
            ) as stage,
        ):
            experienced(stage)
            asking = asyncio.create_task(stage.ask(stream=stream))
            refused = await second.first_asked()
            await refused.left.wait()
            late.set()
            seen = await asking

            assert (seen.status, seen.headers["x-tproxy-model"]) == (200, "p/a")
            told = await stage.recorder.request()
            outcomes = [(each.model, each.outcome) for each in told.attempts]
            assert outcomes == [("q/b", "rejected"), ("p/a", "answered")]

    run(test)


@streamed
def test_a_client_that_leaves_takes_both_exchanges_with_it(stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted([End.HOLD]) as first,
            scripted([End.HOLD]) as second,
            staged(
                at(first.url, "p/a", 1), at(second.url, "q/b", 2), routing=HEDGED
            ) as stage,
        ):
            experienced(stage)
            raw = request("POST", "/v1/chat/completions", said(stream=stream))
            _, writer = await asyncio.open_connection("127.0.0.1", stage.proxy.port)
            writer.write(raw)
            asked = [await first.first_asked(), await second.first_asked()]
            writer.close()
            for each in asked:
                await each.left.wait()

            told = await stage.recorder.request()
            assert told.left
            assert [attempt.outcome for attempt in told.attempts] == ["left", "left"]

    run(test)
