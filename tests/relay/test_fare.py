"""A request takes from its client's own limits once, however many are asked for it."""

from __future__ import annotations

import asyncio

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import in_no_time
from tests.dialect import event
from tests.fakes import Act, Script, Silence
from tests.relay import broken, late
from tests.relay.rig import (
    ANYBODY,
    DOWN,
    ONCE,
    SSE,
    Rig,
    fails,
    good,
    model,
    request,
    streamed,
    tells,
)
from tests.values import per
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.leases import BudgetState
from tproxy.core.model import Client, RetryPolicy, Throttle
from tproxy.core.windows import MINUTE, Window
from tproxy.state.memory_quotas import MemoryQuotas

OWN = Budget("client/c", (per(MINUTE, 3),), max_concurrent=1)
TOKENS = Limit(Unit.TOKENS, 9_000, Window(MINUTE))


def limited(*budgets: Budget) -> Client:
    return attrs.evolve(ANYBODY, budgets=budgets or (OWN,))


def counting(rig: Rig) -> MemoryQuotas:
    rig.real_quotas = quotas = MemoryQuotas(rig.clock)
    return quotas


async def state(rig: Rig, budget: Budget = OWN) -> BudgetState:
    assert rig.real_quotas is not None
    [state] = await rig.real_quotas.snapshot((budget,))
    return state


async def used(rig: Rig, budget: Budget = OWN) -> int:
    now = await state(rig, budget)
    assert now.under_way == 0
    return now.limits[0].used


@streamed
@pytest.mark.parametrize("first", [fails(500), DOWN, fails(429), fails(404)])
def test_a_request_that_walks_on_counts_once(first: Act, stream: bool) -> None:
    rig = Rig({"a": first, "b": good("Hello", stream)}, retry=ONCE)
    counting(rig)

    async def test() -> None:
        for number in range(3):
            seen = await rig.asking(request(stream=stream), limited())
            assert seen.error is None
            assert await used(rig) == number + 1
        seen = await rig.asking(request(stream=stream), limited())
        assert seen.told == (429, "rate_limit_exceeded")
        assert seen.retry_after == pytest.approx(60.0)

    in_no_time(test())
    assert rig.asked.count("b") == 3


def test_so_does_one_that_is_repeated() -> None:
    rig = Rig({"a": [fails(500), fails(500), tells("Hello")]})
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(), limited())).error is None
        assert await used(rig) == 1

    in_no_time(test())
    assert rig.asked == ["a", "a", "a"]


def test_its_place_is_its_own_while_it_pauses() -> None:
    rig = Rig({"a": [fails(500), tells("Hello")], "b": tells("Never")})
    rig.retry = RetryPolicy(base_delay=2.0, jitter=0.0)
    counting(rig)

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request("a"), limited()))
        await asyncio.sleep(1.0)
        other = await rig.asking(request("b"), limited())
        assert other.told == (429, "rate_limit_exceeded")
        assert (await serving).error is None
        assert await used(rig) == 1

    in_no_time(test())
    assert rig.asked == ["a", "a"]


@pytest.mark.parametrize(
    ("first", "second"),
    [(500, fails(500)), (500, DOWN), (500, fails(429)), (429, fails(400))],
)
def test_where_everybody_fails_it_counts_if_anybody_has_worked(
    first: int, second: Act
) -> None:
    rig = Rig({"a": fails(first), "b": second}, retry=ONCE)
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(), limited())).error is not None
        assert await used(rig) == 1

    in_no_time(test())
    assert rig.asked == ["a", "b"]


@pytest.mark.parametrize("act", [DOWN, fails(404), fails(429)])
def test_what_nobody_has_worked_on_is_given_back(act: Act) -> None:
    rig = Rig({"a": DOWN, "b": act}, retry=ONCE)
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(), limited())).error is not None
        assert await used(rig) == 0

    in_no_time(test())


def test_who_makes_nothing_but_failing_requests_has_no_more_of_them() -> None:
    rig = Rig({"a": fails(500), "b": fails(500)}, retry=ONCE)
    counting(rig)
    crowd = limited(attrs.evolve(OWN, max_concurrent=None))

    async def test() -> None:
        seen = await asyncio.gather(*(rig.asking(request(), crowd) for _ in range(40)))
        told = [each.told for each in seen]
        assert told.count((429, "rate_limit_exceeded")) == 37
        assert told.count((502, "upstream_error")) == 3

    in_no_time(test())
    assert rig.asked.count("a") == rig.asked.count("b") == 3


@pytest.mark.parametrize("when", [0.5, 1.5], ids=["paused", "asked again"])
def test_a_client_that_leaves_meanwhile_has_used_one(when: float) -> None:
    rig = Rig({"a": [fails(500), Silence()]})
    rig.retry = RetryPolicy(base_delay=1.0, jitter=0.0)
    counting(rig)

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request(), limited()))
        await asyncio.sleep(when)
        serving.cancel()
        await asyncio.wait((serving,))
        assert await used(rig) == 1

    in_no_time(test())


def test_its_tokens_are_those_of_the_answer() -> None:
    own = Budget("client/c", (TOKENS,))
    rig = Rig({"a": fails(500), "b": tells("Hello")}, retry=ONCE)
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(), limited(own))).error is None
        assert await used(rig, own) == 7

    in_no_time(test())


@pytest.mark.parametrize(
    ("times", "second"), [({"a": 9.0, "b": 0.5}, True), ({"a": 1.5, "b": 9.0}, False)]
)
def test_of_two_that_are_asked_at_once_it_pays_one(
    times: dict[str, float], second: bool
) -> None:
    own = Budget("client/c", (TOKENS, per(MINUTE, 5)), max_concurrent=1)
    made = late.rig({n: good(n, stream=False) for n in "ab"}, times)
    counting(made)

    async def test() -> None:
        seen = await made.asking(request(), limited(own))
        assert seen.answer is not None
        assert (seen.answer.model.name == "b") is second
        now = await state(made, own)
        assert [limit.used for limit in now.limits] == [7, 1]
        assert now.under_way == 0

    in_no_time(test())
    assert made.asked == ["a", "b"]


def test_one_that_is_asked_besides_may_fail_first() -> None:
    acts = {"a": good("a", stream=False), "b": fails(500)}
    made = late.rig(acts, {"a": 3.0, "b": 0.5}, retry=ONCE)
    counting(made)

    async def test() -> None:
        assert (await made.asking(request(), limited())).error is None
        assert await used(made) == 1

    in_no_time(test())
    assert made.asked == ["a", "b"]


def test_a_pool_that_candidates_draw_from_too_counts_each() -> None:
    pool = Budget("pool", (per(MINUTE, 9),))
    models = [
        attrs.evolve(model(n, priority=p), budgets=(pool,))
        for n, p in (("a", 1), ("b", 2))
    ]
    rig = Rig({"a": fails(500), "b": tells("b")}, retry=ONCE, models=tuple(models))
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(), limited(pool, OWN))).error is None
        assert (await used(rig, pool), await used(rig)) == (2, 1)

    in_no_time(test())


def test_behind_a_throttle_it_is_the_same() -> None:
    slow = Throttle("t", max_concurrent=1, queue_seconds=5.0)
    behind = attrs.evolve(model("b", priority=2), throttle=slow)
    rig = Rig(
        {"a": fails(500), "b": tells("b")}, retry=ONCE, models=(model("a"), behind)
    )
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(), limited())).error is None
        assert await used(rig) == 1

    in_no_time(test())


def test_what_is_spent_by_the_client_is_told_though_others_rest() -> None:
    rig = Rig({"a": tells("Never")})
    rig.breakers.rests["a"] = 8.0
    rig.quotas.denials["quota of a"] = [8.0]
    rig.quotas.free_in["client/c"] = 59.0

    seen = in_no_time(rig.asking(request(), limited()))

    assert seen.told == (429, "rate_limit_exceeded")
    assert seen.retry_after == 59.0


BREAKS = Script([event("Once"), b""], headers=SSE)
WORKED_ON = [*(fails(status) for status in (500, 400, 503)), BREAKS, tells("Hello")]
ACTS = st.sampled_from([DOWN, fails(429), fails(404), fails(401), *WORKED_ON])


@given(st.lists(ACTS, min_size=1, max_size=4), st.booleans())
def test_whatever_comes_it_counts_once_or_not_at_all(
    acts: list[Act], stream: bool
) -> None:
    rig = Rig(dict(zip("abcd", acts, strict=False)), retry=ONCE)
    counting(rig)

    async def test() -> None:
        await rig.asking(request(stream=stream), limited())
        worked = any(rig.acts[name] in WORKED_ON for name in rig.asked)
        assert await used(rig) == worked
        assert not rig.leases._open

    in_no_time(test())


@pytest.mark.parametrize(
    ("then", "counted"), [(good(" upon", stream=True), 2), (fails(500), 2), (DOWN, 1)]
)
def test_an_answer_that_is_resumed_counts_for_each_that_worked(
    then: Act, counted: int
) -> None:
    rig = broken.rig(broken.breaks("Once"), then)
    counting(rig)

    async def test() -> None:
        assert (await rig.asking(request(stream=True), limited())).error is None
        assert await used(rig) == counted
        assert not rig.leases._open

    in_no_time(test())
    assert rig.asked == ["a", "b"]
