"""What an attempt costs, and who rests after it."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.clocks import in_no_time
from tests.dialect import error_event, event
from tests.fakes import Gate, Script, Silence
from tests.relay.rig import (
    NOBODYS,
    ONCE,
    ROWS,
    SSE,
    Rig,
    fails,
    model,
    request,
    streamed,
    tells,
)
from tests.values import per
from tproxy.core import failures
from tproxy.core.breaker import BreakerPolicy
from tproxy.core.budget import Budget, Unit
from tproxy.core.failures import Failure
from tproxy.core.leases import Lease, Room
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken
from tproxy.core.windows import MINUTE
from tproxy.state.memory import MemoryBreakers
from tproxy.state.memory_quotas import MemoryQuotas


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_failure_counts_as_its_row_says(row: Failure) -> None:
    rig = Rig({"a": [Broken(row, ""), tells("Hello")]}, retry=ONCE)

    rig.ask("a")

    if row in NOBODYS:  # repeated, and answered then
        assert rig.quotas.settled == ["quota of a"] * (1 + row.counts)
        return
    counted = (rig.quotas.settled, rig.quotas.released)
    assert counted == ((["quota of a"], []) if row.counts else ([], ["quota of a"]))
    assert rig.breakers.told == [("a", "asked"), ("a", row.name)]
    assert rig.quotas.rests == (
        [("quota of a", None)] if row is failures.RATE_LIMIT else []
    )


@pytest.mark.parametrize(
    ("script", "unheard"),
    [(Broken(failures.FIRST_BYTE, ""), True), (Silence(), True), (fails(500), False)],
)
@streamed
def test_what_ends_without_a_head_may_be_counted_later(
    script: Script | Silence | Broken, unheard: bool, stream: bool
) -> None:
    rig = Rig({"a": script}, retry=ONCE)

    rig.ask("a", stream=stream)

    assert rig.quotas.settled == ["quota of a"]
    assert rig.quotas.unheard == (["quota of a"] if unheard else [])


def test_a_failure_after_content_counts_whatever_it_is() -> None:
    """The provider has worked on it; and its limit is a limit here too."""
    rig = Rig({"a": Script([event("Once"), error_event("", 429)], headers=SSE)})

    rig.ask(stream=True)

    assert rig.quotas.settled == ["quota of a"]
    assert rig.quotas.released == []
    assert rig.quotas.rests == [("quota of a", None)]
    assert rig.outcomes == [("a", "rate_limit")]


def test_the_provider_says_how_long_its_quota_rests() -> None:
    rig = Rig({"a": fails(429, retry_after="20")}, retry=ONCE)

    rig.ask("a")

    assert rig.quotas.rests == [("quota of a", 20.0)]


def test_a_quota_taken_meanwhile_is_no_failure() -> None:
    rig = Rig({"a": tells("a"), "b": tells("b")})
    rig.quotas.denials["quota of a"] = [17.0]

    seen = rig.ask()

    assert rig.asked == ["b"]
    assert seen.answer is not None
    assert seen.answer.reason == "category SMALL; priority 1; a quota spent"
    assert rig.breakers.told == [("b", "asked"), ("b", "succeeded")]


def test_when_all_quotas_are_spent_the_soonest_counts() -> None:
    rig = Rig({name: tells("") for name in "abc"})
    rig.quotas.free_in = {"quota of a": 40.0, "quota of b": 17.5, "quota of c": 60.0}

    seen = rig.ask()

    assert seen.told == (429, "quota_exhausted")
    assert seen.retry_after == 17.5
    assert rig.asked == []
    assert rig.quotas.reserved == []


def test_a_wait_is_told_as_it_is_when_told() -> None:
    """Not as it was before others were asked."""
    rig = Rig(
        {"spent": tells(""), "slow": Silence()},
        patience=Patience(whole=20.0),
        retry=ONCE,
        models=(
            attrs.evolve(
                model("spent", priority=0),
                budgets=(Budget("spent", (per(MINUTE, 1),)),),
            ),
            model("slow"),
        ),
    )
    rig.real_quotas = quotas = MemoryQuotas(rig.clock)

    async def test() -> None:
        lease = await quotas.reserve(rig.models[0].budgets)
        assert isinstance(lease, Lease)
        await quotas.settle(lease)
        await asyncio.sleep(10.0)
        seen = await rig.asking(request())
        assert seen.told == (429, "quota_exhausted")
        assert seen.retry_after == pytest.approx(30.0)

    in_no_time(test())


def test_a_limited_provider_rests_for_everybody() -> None:
    rig = Rig({"a": fails(429, retry_after="8"), "b": fails(500)}, retry=ONCE)
    rig.real_quotas = MemoryQuotas(rig.clock)

    async def test() -> None:
        first = await rig.asking(request())
        assert first.retry_after == pytest.approx(8.0)
        await asyncio.sleep(7.0)
        await rig.asking(request())
        await asyncio.sleep(2.0)
        await rig.asking(request())

    in_no_time(test())
    assert rig.asked == ["a", "b", "b", "a", "b"]


def test_a_limit_met_by_a_named_model_stays_the_providers() -> None:
    """Even where our own rest then keeps it from being asked again."""

    class OthersMeetItToo(Gate):
        async def passing(self, place: str) -> None:
            if place == "sleep":
                rig.quotas.denials["quota of a"] = [5.0]

    rig = Rig({"a": fails(429)}, gate=OthersMeetItToo())

    seen = rig.ask("a")

    assert seen.told == (429, "rate_limit_exceeded")
    assert rig.asked == ["a"]


def test_one_that_rests_is_passed_over() -> None:
    rig = Rig({"a": tells("a"), "b": tells("b")})
    rig.breakers.rests["a"] = 5.0

    rig.ask()

    assert rig.asked == ["b"]


def test_when_all_rest_a_guess_beats_a_refusal() -> None:
    rig = Rig({"a": tells("a"), "b": tells("b")})
    rig.breakers.rests = {"a": 50.0, "b": 10.0}

    seen = rig.ask()

    assert rig.asked == ["b"]
    assert seen.error is None
    assert rig.breakers.told == [("b", "asked"), ("b", "succeeded")]


def test_a_guess_is_made_once() -> None:
    rig = Rig({"a": fails(500)})
    rig.breakers.rests["a"] = rig.breakers.opens["a"] = 10.0

    seen = rig.ask("a")

    assert seen.told == (502, "upstream_error")
    assert rig.asked == ["a"]


def test_a_breaker_that_opens_ends_the_repeats() -> None:
    rig = Rig({"a": fails(500)})
    rig.breakers.opens["a"] = 10.0

    seen = rig.ask("a")

    assert rig.asked == ["a"]
    assert rig.slept == []
    assert seen.told == (502, "upstream_error")


def test_a_breaker_that_opened_meanwhile_is_heeded() -> None:

    class OthersFail(Gate):
        async def passing(self, place: str) -> None:
            if place == "transport.open":
                rig.breakers.rests["b"] = 12.0

    rig = Rig({"a": fails(500), "b": tells("Never")}, retry=ONCE, gate=OthersFail())

    seen = rig.ask()

    assert rig.asked == ["a"]
    assert seen.told == (503, "no_candidate")
    assert seen.retry_after == 12.0


def test_five_failures_in_a_row_are_a_rest() -> None:
    rig = Rig({"a": fails(500), "b": tells("Hello")})
    rig.real_breakers = MemoryBreakers(rig.clock, BreakerPolicy(jitter=0.0))

    async def test() -> None:
        for _ in range(7):
            assert (await rig.asking(request())).error is None
        await asyncio.sleep(10.0)
        await rig.asking(request())

    in_no_time(test())
    assert "".join(rig.asked) == "ab" * 5 + "bb" + "ab"


def test_what_is_left_is_told_with_the_answer() -> None:
    rig = Rig({"a": tells("Hello")})
    rig.quotas.left = Room(Unit.REQUESTS, 10, 4, 30.0)

    seen = rig.ask()

    assert seen.answer is not None
    assert seen.answer.rooms == (Room(Unit.REQUESTS, 10, 4, 30.0),)


def test_a_model_without_a_quota_can_be_limited() -> None:
    rig = Rig({"a": fails(429)}, models=(attrs.evolve(model("a"), budgets=()),))
    rig.real_quotas = MemoryQuotas(rig.clock)

    assert rig.ask("a").told == (429, "rate_limit_exceeded")
