"""The page that is told: what it waits for, and for whom it makes way."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import FakeBreakers, FakeQuotas
from tests.observe.reading import number, series
from tests.serving import model
from tproxy.core.budget import Budget
from tproxy.core.leases import BudgetState
from tproxy.observe.families import IN_FLIGHT, QUEUED, TOKENS
from tproxy.observe.metrics import Configured, Figures, Metrics
from tproxy.observe.tallies import ALIVE, Tallies


@attrs.define(eq=False)
class Quotas(FakeQuotas):
    """All budgets are empty; the `silent`th look at them is never answered.

    All others are after so many `seconds`.
    """

    silent: int = 0
    looks: int = 0
    seconds: float = 0.0

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        self.looks += 1
        if self.looks == self.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(self.seconds)
        return tuple(BudgetState(each.name, (), 0, None, 0.0) for each in budgets)


@attrs.define(eq=False)
class Busy:
    """`observe.metrics.Process` with as many requests under way, and queues."""

    in_flight: int = 0
    queues: dict[str, int] = attrs.field(factory=dict)

    def now(self) -> Figures:
        yield IN_FLIGHT, (), self.in_flight
        for name, waiting in self.queues.items():
            yield QUEUED, (name,), waiting

    def since_its_start(self) -> Figures:
        return ()

    def stores(self) -> Mapping[str, bool]:
        return {"quotas": True}

    def is_draining(self) -> bool:
        return True


def metrics(
    busy: Busy, quotas: Quotas, tallies: Tallies, place: int = 1, models: int = 60
) -> Metrics:
    made = Metrics(
        *(busy, quotas, FakeBreakers(), LoopClock()),
        *(tallies, tallies.own(place), place),
    )
    entries = tuple(model(f"x/{n}") for n in range(models))
    taken = tuple(entry.budgets for entry in entries)
    made.configured = Configured(entries, taken, tuple(b for (b,) in taken), 1.0)
    return made


@pytest.mark.parametrize(("silent", "known"), [(0, True), (1, False), (2, False)])
def test_a_store_that_says_nothing_is_not_waited_for(silent: int, known: bool) -> None:
    async def test() -> tuple[str, float]:
        page = metrics(Busy(), Quotas(silent=silent), Tallies()).page("")
        return (await page)[1], asyncio.get_running_loop().time()

    text, seconds = in_no_time(test())

    assert seconds < 1.0
    assert number(text, "tproxy_unknown", what="budgets") == (not known)
    assert len(series(text, "tproxy_budget_leases")) == (60 if known else 0)
    assert number(text, "tproxy_model_available") == (60 if known else 0)
    assert number(text, "tproxy_breaker_state", state="closed") == 60
    assert number(text, "tproxy_draining") == 1


def test_a_store_that_answers_is_not_silent_however_often_it_is_asked() -> None:
    async def test() -> str:
        page = metrics(Busy(), Quotas(seconds=0.1), Tallies(), models=600).page("")
        return (await page)[1]

    assert number(in_no_time(test()), "tproxy_unknown", what="budgets") == 0


@pytest.mark.parametrize(("models", "counted"), [(600, 0), (0, 6_000)])
def test_others_get_their_turn_between(models: int, counted: int) -> None:
    tallies = Tallies(2)
    other = tallies.own(2)
    for each in range(counted):
        other.add((TOKENS.name, f"x/{each}", "team", "input"))

    async def test() -> int:
        page = metrics(Busy(), Quotas(), tallies, models=models).page("")
        telling, turns = asyncio.create_task(page), 0
        while not telling.done():
            await asyncio.sleep(0)
            turns += 1
        return turns

    # Series are found, added up, and told.
    assert in_no_time(test()) > models // 25 + 2 * (counted // 250) + counted // 500


def test_what_processes_are_busy_with_is_added_up_for_as_long_as_they_live() -> None:
    async def test() -> None:
        tallies, queues = Tallies(2), {"x": 2}
        busy, other = Busy(3, queues), Busy(4, {"x": 1, "y": 5})
        one = metrics(busy, Quotas(), tallies)
        two = metrics(other, Quotas(), tallies, place=2)
        await asyncio.sleep(1.0)  # no steady clock says 0
        showing = asyncio.create_task(two.keep())
        await asyncio.sleep(0.1)

        async def told() -> tuple[float, float, float]:
            _, text = await one.page("")
            return (
                number(text, "tproxy_requests_in_flight"),
                number(text, "tproxy_queued_requests"),
                number(text, "tproxy_workers"),
            )

        assert await told() == (7, 8, 2)
        assert {each.name: each.waiting for each in await one.queues()} == {
            "x": 3,
            "y": 5,
        }
        busy.in_flight, other.in_flight = 1, 1
        queues.clear()
        await asyncio.sleep(1.0)
        assert await told() == (2, 6, 2)
        showing.cancel()
        await asyncio.wait((showing,))
        await asyncio.sleep(ALIVE)
        assert await told() == (1, 0, 1)
        assert await one.queues() == ()

    in_no_time(test())
