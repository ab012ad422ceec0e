"""Waiting for quota while its store cannot count, as where it has too much to do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import attrs
import pytest

from tests.clocks import in_no_time
from tests.relay.patient import PATIENT, asking, limited, rig, served
from tests.relay.rig import Rig, model
from tests.values import per
from tproxy.core.budget import ONE, Budget, Cost
from tproxy.core.leases import STORE, Denial, Lease
from tproxy.core.model import Routing
from tproxy.core.windows import MINUTE
from tproxy.state.memory_quotas import MemoryQuotas


@attrs.define(eq=False)
class Busy(MemoryQuotas):
    """Cannot count between two moments."""

    since: float = attrs.field(default=0.0, kw_only=True)
    until: float = attrs.field(kw_only=True)

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost = ONE, lease_seconds: float = 15.0
    ) -> Lease | Denial:
        limited = any(budget.limits for budget in budgets)
        if limited and self.since <= self._clock.steady() < self.until:
            return Denial("", STORE, 1.0)
        return await super().reserve(budgets, cost, lease_seconds)


def busy(
    amount: int, routing: Routing = PATIENT, *, since: float = 0.0, until: float
) -> Rig:
    made = rig(limited("a", per(MINUTE, amount)), routing=routing)
    made.real_quotas = Busy(made.clock, since=since, until=until)
    return made


def test_who_waits_goes_on_while_a_store_cannot_count() -> None:
    made = busy(1, since=30.0, until=70.0)

    async def test() -> None:
        await asyncio.gather(served(made), served(made))
        assert made.clock.steady() == pytest.approx(70.0, abs=0.1)

    in_no_time(test())
    assert made.asked == ["a", "a"]


def test_who_comes_meanwhile_waits_in_line() -> None:
    made = busy(9, until=3.0)
    order = []

    async def one(number: int) -> None:
        await served(made)
        order.append(number)

    async def test() -> None:
        await asyncio.gather(*map(one, range(5)))
        assert made.clock.steady() == pytest.approx(3.0, abs=0.1)

    in_no_time(test())
    assert order == [0, 1, 2, 3, 4]


def test_in_the_end_it_hears_that_nobody_counted() -> None:
    made = busy(9, attrs.evolve(PATIENT, wait_seconds=5.0), until=60.0)

    async def test() -> None:
        seen = await made.asking(asking(called="a"))
        assert seen.told == (503, "no_candidate")
        assert made.clock.steady() == pytest.approx(5.0, abs=0.1)

    in_no_time(test())


def test_nobody_is_asked_again_and_again_meanwhile() -> None:
    """What failed has no quota, so that it was asked all the same."""
    made = rig(model("down"), limited("a", per(MINUTE, 9)), down=True)
    made.real_quotas = Busy(made.clock, until=60.0)

    async def test() -> None:
        assert (await made.asking(asking())).told == (503, "no_candidate")

    in_no_time(test())
    assert made.asked == ["down"] * 4  # and its repeats


def test_at_once_where_nobody_is_to_wait() -> None:
    made = busy(9, Routing(), until=60.0)

    async def test() -> None:
        assert (await made.asking(asking(called="a"))).told == (503, "no_candidate")
        assert made.clock.steady() == 0

    in_no_time(test())
