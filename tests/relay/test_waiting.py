"""Waiting for quota: in line, as long as it takes, and told for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import Script
from tests.relay.rig import ANYBODY, DOWN, JSON, Rig, Seen, model
from tests.values import per
from tproxy.core.budget import ONE, Budget, Cost, Limit, Unit
from tproxy.core.chat import ChatRequest
from tproxy.core.leases import Denial, Lease
from tproxy.core.model import Capability, Client, Model, Priority, Routing
from tproxy.core.windows import MINUTE
from tproxy.relay.outlook import kept_busy
from tproxy.relay.trail import Trail
from tproxy.state.memory import MemoryBreakers
from tproxy.state.memory_quotas import MemoryQuotas

PATIENT = Routing(wait_seconds=200.0)
UNCOUNTED = Script([b'{"choices": [{"message": {"content": "x"}}]}'], headers=JSON)
LOW = attrs.evolve(ANYBODY, name="low", priority=Priority.LOW)


def limited(name: str, *limits: Limit, priority: int = 1) -> Model:
    return attrs.evolve(model(name, priority=priority), budgets=(Budget(name, limits),))


def tokens(amount: int) -> Limit:
    return attrs.evolve(per(MINUTE, amount), unit=Unit.TOKENS)


def asking(
    most: int | None = None, called: str = "SMALL", tools: bool = False
) -> ChatRequest:
    said: dict[str, object] = {
        "model": called,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    if most is not None:
        said["max_tokens"] = most
    if tools:
        said["tools"] = [{"type": "function", "function": {"name": "f"}}]
    return ChatRequest.parse(json.dumps(said).encode())


class Looks(MemoryQuotas):
    """Counts how often it is asked, as whoever spins does without end.

    Another process comes just before the one asked for the `rival`th time.
    """

    reserved = rival = 0

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost = ONE, lease_seconds: float = 15.0
    ) -> Lease | Denial:
        self.reserved += 1
        if self.reserved == self.rival:
            first = await super().reserve(budgets, cost, lease_seconds)
            assert isinstance(first, Lease)
            await self.settle(first)
        return await super().reserve(budgets, cost, lease_seconds)


def rig(*models: Model, routing: Routing = PATIENT, **down: object) -> Rig:
    acts = {m.name: DOWN if m.name in down else UNCOUNTED for m in models}
    made = Rig(acts, models=models, routing=routing)
    made.real_quotas = Looks(made.clock)
    return made


async def served(made: Rig) -> None:
    """As `Rig.asking`, for several at once."""
    answer = await made.relay.answer(asking(called="a"), ANYBODY, Trail())
    await answer.end()


def times_asked(made: Rig) -> int:
    assert isinstance(made.real_quotas, Looks)
    return made.real_quotas.reserved


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


def test_who_finds_the_line_full_takes_nothing_from_those_in_it() -> None:
    routing = attrs.evolve(PATIENT, max_waiting=2)
    made = rig(limited("a", per(MINUTE, 2)), routing=routing)

    async def test() -> None:
        # Two are answered; one has its turn, two wait behind it.
        waiting = [asyncio.create_task(served(made)) for _ in range(5)]
        await asyncio.sleep(59.0)
        refused: Seen = await made.asking(asking(called="a"))
        assert refused.told == (429, "quota_exhausted")
        # Two of them next minute, one with it in the one after that.
        assert refused.retry_after == pytest.approx(61.0, abs=0.1)
        await asyncio.gather(*waiting)
        assert made.clock.steady() == pytest.approx(120.0, abs=0.2)

    in_no_time(test())
    assert len(made.asked) == 5


def test_those_of_lower_priority_are_not_ahead() -> None:
    routing = attrs.evolve(PATIENT, max_waiting=2)
    made = rig(limited("a", per(MINUTE, 1)), routing=routing)

    async def asked(client: Client) -> Seen:
        return await made.asking(asking(called="a"), client)

    async def test() -> None:
        waiting = [asyncio.create_task(asked(LOW)) for _ in range(4)]
        await asyncio.sleep(1.0)
        assert (await asked(ANYBODY)).retry_after == pytest.approx(119.0, abs=0.1)
        assert (await asked(LOW)).retry_after == pytest.approx(239.0, abs=0.1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    in_no_time(test())


@pytest.mark.parametrize(
    ("limits", "ahead", "expected"),
    [
        ([], 9, (0.0, 9)),
        ([per(MINUTE, 10)], 0, (0.0, 0)),
        ([per(MINUTE, 10)], 9, (0.0, 9)),
        ([per(MINUTE, 10)], 25, (120.0, 5)),
        ([per(MINUTE, 10), per(1.0, 4)], 25, (120.0, 3)),
        ([tokens(99)], 3, (60.0, 0)),
        ([tokens(20)], 3, (0.0, 0)),  # it never fits, wherever it stands
    ],
)
def test_how_long_those_ahead_keep_a_quota_busy(
    limits: list[Limit], ahead: int, expected: tuple[float, int]
) -> None:
    cost = Cost(1, tokens=33)

    assert kept_busy((Budget("q", tuple(limits)),), cost, ahead) == expected
