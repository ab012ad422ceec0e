"""How long it takes until there is room, after others."""

from __future__ import annotations

import asyncio

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.values import per
from tproxy.core.budget import ONE, Budget, Cost, Limit, Unit
from tproxy.core.leases import Lease
from tproxy.core.windows import MINUTE
from tproxy.relay.outlook import kept_busy
from tproxy.state.memory_quotas import MemoryQuotas


def tokens(amount: int) -> Limit:
    return attrs.evolve(per(MINUTE, amount), unit=Unit.TOKENS)


@pytest.mark.parametrize(
    ("limits", "ahead", "expected"),
    [
        ([], 9, (0.0, 9)),
        ([per(MINUTE, 10)], 0, (0.0, 0)),
        ([per(MINUTE, 10)], 9, (0.0, 9)),
        ([per(MINUTE, 10)], 25, (120.0, 5)),
        ([per(MINUTE, 10)], 99, (240.0, 0)),  # all others have left
        ([per(MINUTE, 10), per(1.0, 4)], 25, (120.0, 3)),
        ([tokens(99)], 3, (60.0, 0)),
        ([tokens(20)], 3, (0.0, 0)),  # it never fits, wherever it stands
    ],
)
def test_how_long_those_ahead_keep_a_quota_busy(
    limits: list[Limit], ahead: int, expected: tuple[float, int]
) -> None:
    cost = Cost(1, tokens=33)

    assert kept_busy((Budget("q", tuple(limits)),), cost, ahead, 200.0) == expected


LIMITS = st.builds(per, st.sampled_from([1.0, 5.0, 30.0, MINUTE]), st.integers(1, 9))


@given(
    limits=st.lists(LIMITS, min_size=1, max_size=2, unique_by=lambda each: each.window),
    before=st.lists(st.floats(0.0, 9.0), max_size=12),
    ahead=st.integers(0, 40),
)
def test_one_limit_is_foretold_exactly_and_several_never_too_late(
    limits: list[Limit], before: list[float], ahead: int
) -> None:
    clock, budgets = FakeClock(), (Budget("q", tuple(limits)),)
    quotas = MemoryQuotas(clock)

    async def taken() -> float:
        """Take one, or say how long to wait."""
        lease = await quotas.reserve(budgets)
        if not isinstance(lease, Lease):
            return lease.wait
        await quotas.settle(lease)
        return 0.0

    async def test() -> tuple[float, float]:
        for pause in before:
            clock.advance(pause)
            await taken()
        busy, left = kept_busy(budgets, ONE, ahead, 1e6)
        [then] = await quotas.waits([(budgets, ONE.times(left + 1))])
        begun = clock.steady()
        for _ in range(ahead + 1):
            while wait := await taken():
                clock.advance(wait)
        return busy + then, clock.steady() - begun

    foretold, true = asyncio.run(test())
    if len(limits) == 1:
        assert foretold == pytest.approx(true)
    else:
        assert foretold <= true + 1e-6
