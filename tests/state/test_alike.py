"""Stores of each kind decide alike, whoever asks for how much and when."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.late_shop import LateSqliteShop
from tests.state.shops import (
    MemoryShop,
    Shop,
    Till,
    budget,
    daily,
    requests,
    soon,
    tokens,
)
from tproxy.core.budget import Budget, Cost
from tproxy.core.leases import Denial
from tproxy.core.windows import Kind

# Of lengths that never end at once: of two that do, it is chance which is told.
SHARED = budget(requests(5), tokens(50), name="shared", share=0.7)
FIRST_USE = requests(4, 53.5, kind=Kind.FIRST_USE)
OTHER = budget(FIRST_USE, daily(9), name="other", share=0.4)
ANYBODYS = budget(requests(7, 97.25, kind=Kind.CLOCK), name="anybody's")


@attrs.frozen
class Step:
    cost: Cost
    budgets: tuple[Budget, ...]
    ends: bool  # at once
    then: float  # seconds until the next


STEPS = st.builds(
    Step,
    st.builds(Cost, st.just(1), st.integers(1, 30), high=st.booleans()),
    st.sampled_from([(SHARED, OTHER, ANYBODYS), (SHARED,), (ANYBODYS, OTHER)]),
    st.booleans(),
    st.sampled_from([0.0, 0.0, 0.0, 1.0, 20.0, 45.0, 120.0]),
)


def told(till: Till, steps: list[Step]) -> Iterator[object]:
    for step in steps:
        result = till.reserve(*step.budgets, cost=step.cost)
        if isinstance(result, Denial):
            yield soon(result.wait)
        else:
            yield [(room.unit, room.left) for room in result.rooms]
            if step.ends:
                till.settle(result, Cost(1, step.cost.tokens // 2))
        till.shop.clock.advance(step.then)
        for state in itertools.chain(till.state(b).limits for b in step.budgets):
            yield [(limit.used, limit.left, limit.shares) for limit in state]


def test_every_store_decides_as_memory_does(
    opening: Callable[[FakeClock], Shop],
) -> None:
    @settings(max_examples=25, deadline=None, phases=[Phase.generate])
    @given(st.lists(STEPS, min_size=5, max_size=30))
    def test(steps: list[Step]) -> None:
        one, other = MemoryShop(FakeClock()), opening(FakeClock())
        try:
            assert list(told(Till(other), steps)) == list(told(Till(one), steps))
        finally:
            one.close()
            other.close()

    test()


def test_sqlite_does_even_if_it_writes_at_the_last_moment(tmp_path: Path) -> None:
    numbers = itertools.count()

    def opening(clock: FakeClock) -> Shop:
        return LateSqliteShop(clock, tmp_path / f"state{next(numbers)}.db")

    test_every_store_decides_as_memory_does(opening)
