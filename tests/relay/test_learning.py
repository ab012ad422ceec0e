"""Headers that correct our view of what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import Late, Script
from tests.relay.rig import (
    JSON,
    ONCE,
    SSE,
    Rig,
    fails,
    good,
    model,
    request,
    streamed,
    whole,
)
from tests.values import PNG_BASE64, image, per
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.leases import Heard, Lease, LimitState, Source
from tproxy.core.meters import Meter, Metered
from tproxy.core.model import Kind, Model
from tproxy.core.windows import DAY, MINUTE, Window
from tproxy.relay.lessons import Lessons
from tproxy.state.memory_quotas import MemoryQuotas

BY_THE_MINUTE = per(MINUTE, 10)
TOKENS = Limit(Unit.TOKENS, 9_000, Window(DAY))
OWN = Budget("own", (BY_THE_MINUTE, TOKENS))
POOL = Budget("pool", (BY_THE_MINUTE,))
METERS = (
    Meter(Unit.REQUESTS, BY_THE_MINUTE.window, "left", "limit", "reset"),
    Meter(Unit.TOKENS, TOKENS.window, "left-tokens"),
)
METERED = attrs.evolve(model("a"), budgets=(OWN, POOL), meters=(Metered(OWN, METERS),))


def says(headers: Mapping[str, str], *, stream: bool = False) -> Script:
    kind = SSE if stream else JSON
    return attrs.evolve(good("Hello", stream), headers={**kind, **headers})


def rig_of(script: Script, asked: Model = METERED) -> Rig:
    rig = Rig({"a": script}, models=(asked,), retry=ONCE)
    rig.real_quotas = MemoryQuotas(rig.clock)
    return rig


def asked(rig: Rig) -> tuple[LimitState, ...]:
    """How the limits of the model's budgets stand after one request."""
    quotas = rig.real_quotas
    assert quotas is not None

    async def test() -> tuple[LimitState, ...]:
        await rig.asking(request("a"))
        await asyncio.sleep(0)  # it is told beside
        states = await quotas.snapshot(rig.models[0].budgets)
        return tuple(limit for state in states for limit in state.limits)

    return in_no_time(test())


@streamed
def test_a_header_lowers_what_is_left(stream: bool) -> None:
    headers = {"left": "4", "limit": "60", "reset": "20s", "left-tokens": "500"}
    rig = rig_of(says(headers, stream=stream))
    quotas = rig.real_quotas
    assert quotas is not None

    async def test() -> None:
        assert (await rig.asking(request("a", stream=stream))).error is None
        await asyncio.sleep(0)
        own, pool = await quotas.snapshot(METERED.budgets)
        requests, tokens = own.limits
        assert (requests.left, requests.source) == (4, Source.HEADER)
        assert requests.drift == 5
        assert (tokens.left, tokens.source) == (500, Source.HEADER)
        assert (pool.limits[0].left, pool.limits[0].source) == (9, Source.COUNTED)
        await asyncio.sleep(20.1)
        [state] = await quotas.snapshot((OWN,))
        assert state.limits[0].left == 9

    in_no_time(test())


def test_a_header_leaves_no_more_than_was_declared() -> None:
    requests, *_ = asked(rig_of(says({"left": "59", "limit": "60", "reset": "1s"})))

    assert (requests.left, requests.source) == (9, Source.COUNTED)


@pytest.mark.parametrize(
    "said", [{}, {"left": "-1", "limit": "-1"}, {"left": "0"}, {"left": "few"}]
)
def test_without_a_sensible_header_our_count_stands(said: dict[str, str]) -> None:
    requests, *_ = asked(rig_of(says(said)))

    assert (requests.left, requests.source, requests.drift) == (9, Source.COUNTED, 0)


def test_a_model_without_meters_hears_nothing() -> None:
    plain = attrs.evolve(METERED, meters=())

    requests, *_ = asked(rig_of(says({"left": "0", "limit": "60"}), plain))

    assert requests.left == 9


def test_a_failure_has_headers_too() -> None:
    requests, *_ = asked(rig_of(fails(500, left="2", limit="60", reset="30s")))

    assert (requests.left, requests.source) == (2, Source.HEADER)


def test_an_image_has_headers_too() -> None:
    drawn = b'{"data": [{"b64_json": "%b"}]}' % PNG_BASE64.encode()
    headers = {**JSON, "left": "4", "limit": "60", "reset": "20s"}
    painter = attrs.evolve(METERED, kind=Kind.IMAGE)
    rig = rig_of(Script([drawn], headers=headers), painter)
    quotas = rig.real_quotas
    assert quotas is not None

    async def test() -> None:
        assert (await rig.asking(image(model="a"))).error is None
        await asyncio.sleep(0)
        [state] = await quotas.snapshot((OWN,))
        assert state.limits[0].left == 4

    in_no_time(test())


def test_what_a_long_stream_begins_with_is_compared_with_our_count_of_then() -> None:
    """At its end, what had left our window since would look like others' requests."""
    rig = rig_of(says({"left": "4", "limit": "60", "reset": "30s"}, stream=True))
    quotas = rig.real_quotas
    assert quotas is not None

    async def test() -> None:
        for _ in range(5):
            lease = await quotas.reserve((OWN,))
            assert isinstance(lease, Lease)
            await quotas.settle(lease)
        await asyncio.sleep(50.0)
        async with rig.answering(request("a", stream=True)) as answer:
            assert answer.begun.body is not None
            await asyncio.sleep(20.0)
            async for _ in answer.begun.body:
                pass
        [state] = await quotas.snapshot((OWN,))
        requests, _ = state.limits
        assert (requests.used, requests.drift, requests.age) == (1, 0, 20.0)

    in_no_time(test())


def test_what_a_slow_answer_in_one_piece_began_with_is_no_news_at_its_end() -> None:
    headers = {**JSON, "left": "4", "limit": "60", "reset": "60s"}
    slow = Late(2.0, whole(good("Hello", stream=False)))

    requests, *_ = asked(rig_of(Script([slow], headers=headers)))

    assert (requests.left, requests.source) == (9, Source.COUNTED)


def test_of_each_budget_the_last_word_is_told_while_the_store_is_slow() -> None:
    class Slow(MemoryQuotas):
        async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
            told.append([said.left for said in heard])
            await asyncio.sleep(0.45)

    told: list[list[int]] = []

    async def test() -> None:
        lessons = Lessons(Slow(LoopClock()), LoopClock())
        for left in range(9, 3, -1):
            lessons.hear(LoopClock().steady(), {"left": str(left)}, METERED.meters)
            await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)
        assert told == [[9], [5], [4]]

    in_no_time(test())


def test_what_the_store_had_no_time_for_is_no_news_any_more() -> None:
    class Stuck(MemoryQuotas):
        async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
            told.append(budget.name)
            await asyncio.sleep(1.5)

    told: list[str] = []
    both = (*METERED.meters, Metered(POOL, METERS))

    async def test() -> None:
        lessons = Lessons(Stuck(LoopClock()), LoopClock())
        lessons.hear(LoopClock().steady(), {"left": "4"}, both)
        await asyncio.sleep(2.0)
        assert told == ["own"]

    in_no_time(test())
