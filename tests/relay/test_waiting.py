"""Waiting for quota: in line, as long as it takes, and told for how long."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.relay.patient import (
    Looks,
    asking,
    limited,
    rig,
    served,
    times_asked,
    tokens,
)
from tests.relay.rig import ANYBODY
from tests.values import per
from tproxy.core.budget import Cost
from tproxy.core.leases import Lease
from tproxy.core.model import Capability, Client, Model, Routing
from tproxy.core.windows import MINUTE
from tproxy.state.memory import MemoryBreakers


def test_tokens_are_waited_for_without_asking_all_the_time() -> None:
    made = rig(limited("a", tokens(2_000)))

    async def test() -> None:
        assert (await made.asking(asking(1_500))).error is None
        assert (await made.asking(asking(1_900))).error is None
        assert made.clock.steady() == pytest.approx(60.0, abs=0.1)

    in_no_time(test())
    assert times_asked(made) == 3


def test_who_waits_has_what_others_took_and_did_not_use() -> None:
    made = rig(limited("a", tokens(2_000)))
    quotas = made.real_quotas
    assert quotas is not None

    async def test() -> None:
        lease = await quotas.reserve(made.models[0].budgets, Cost(1, 1_900))
        assert isinstance(lease, Lease)
        waiting = asyncio.create_task(made.asking(asking(1_500)))
        await asyncio.sleep(5.0)
        await quotas.settle(lease, Cost(1, 20))
        assert (await waiting).error is None
        assert made.clock.steady() == pytest.approx(5.0, abs=0.1)

    in_no_time(test())


INCAPABLE = attrs.evolve(
    limited("b", per(MINUTE, 9)), capabilities=frozenset({Capability.VISION})
)


@pytest.mark.parametrize(
    "other",
    [
        INCAPABLE,
        attrs.evolve(limited("b", per(MINUTE, 9)), max_request_length=1),
        limited("b", tokens(1)),
    ],
    ids=["incapable", "too short", "never enough tokens"],
)
def test_nobody_hopes_for_a_candidate_that_cannot_take_it(other: Model) -> None:
    made = rig(limited("a", per(MINUTE, 1)), other)

    async def test() -> None:
        for _ in range(2):
            assert (await made.asking(asking(tools=True))).error is None
        assert made.clock.steady() == pytest.approx(60.0, abs=0.1)

    in_no_time(test())
    assert made.asked == ["a", "a"]
    assert times_asked(made) <= 6


def test_nobody_hopes_for_a_candidate_that_rests() -> None:
    made = rig(limited("a", per(MINUTE, 1), priority=2), limited("b"), b=True)
    made.real_breakers = MemoryBreakers(made.clock)

    async def test() -> None:
        for _ in range(2):
            assert (await made.asking(asking())).error is None

    in_no_time(test())
    assert times_asked(made) < 40


def test_who_is_refused_hears_when_its_tokens_fit() -> None:
    made = rig(limited("a", tokens(2_000)), routing=Routing())

    async def test() -> None:
        for most, wait in ((1_500, 0.0), (1_900, 60.0), (480, 0.0)):
            seen = await made.asking(asking(most))
            assert (seen.retry_after or 0.0) == pytest.approx(wait, abs=0.1)
        await asyncio.sleep(20.0)
        assert (await made.asking(asking(1_900))).retry_after == pytest.approx(40.0)

    in_no_time(test())


class Early(LoopClock):
    """A clock by which timers ring too early."""

    def steady(self) -> float:
        return super().steady() * 0.999


def test_whoever_wakes_too_early_keeps_its_place() -> None:
    made = rig(limited("a", per(MINUTE, 1)))
    made.clock = Early()
    made.real_quotas = Looks(made.clock)
    order = []

    async def one(number: int) -> None:
        await served(made)
        order.append(number)

    async def test() -> None:
        waiting = []
        for number in range(4):
            waiting.append(asyncio.create_task(one(number)))
            await asyncio.sleep(1.0)
        await asyncio.gather(*waiting)

    in_no_time(test())
    assert order == [0, 1, 2, 3]


def test_whoever_loses_to_another_process_keeps_its_place() -> None:
    made = rig(limited("a", per(MINUTE, 1)))
    assert isinstance(made.real_quotas, Looks)
    made.real_quotas.rival = 3  # the first was answered, the second refused at first
    order = []

    async def one(number: int) -> None:
        await served(made)
        order.append(number)

    async def test() -> None:
        waiting = []
        for number in range(3):
            waiting.append(asyncio.create_task(one(number)))
            await asyncio.sleep(1.0)
        await asyncio.gather(*waiting)
        assert made.clock.steady() == pytest.approx(180.0, abs=0.5)

    in_no_time(test())
    assert order == [0, 1, 2]


STRANGER = attrs.evolve(ANYBODY, name="stranger", models=("b",))


@pytest.mark.parametrize(
    ("client", "most", "told"),
    [
        (ANYBODY, 9_000, (400, "context_length_exceeded")),
        (STRANGER, None, (403, "model_not_allowed")),
    ],
)
def test_who_could_never_be_served_hears_so_without_waiting(
    client: Client, most: int | None, told: tuple[int, str]
) -> None:
    made = rig(limited("a", per(MINUTE, 1), tokens(8_000)))

    async def test() -> None:
        waiting = [asyncio.create_task(served(made)) for _ in range(3)]
        await asyncio.sleep(1.0)
        assert (await made.asking(asking(most, called="a"), client)).told == told
        assert made.clock.steady() == pytest.approx(1.0, abs=0.1)
        await asyncio.gather(*waiting)

    in_no_time(test())
