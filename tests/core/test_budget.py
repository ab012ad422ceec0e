from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.windows import MINUTE, Window


@pytest.mark.parametrize(
    ("amount", "percent", "usable"),
    [(15, 10, 13), (10, 10, 9), (1, 10, 0), (1_000, 0, 1_000), (3, 100, 0), (7, 50, 3)],
)
def test_headroom_is_rounded_up_to_whole_requests(
    amount: int, percent: int, usable: int
) -> None:
    limit = Limit(Unit.REQUESTS, amount, Window(MINUTE))

    assert limit.with_headroom(Fraction(percent, 100)).usable == usable


@given(st.integers(1, 10**15), st.integers(0, 100))
def test_headroom_is_exact(amount: int, percent: int) -> None:
    kept = Limit(Unit.TOKENS, amount, Window(MINUTE)).with_headroom(
        Fraction(percent, 100)
    )

    assert 0 <= kept.kept * 100 - amount * percent < 100


def test_a_cost_has_an_amount_of_each_unit() -> None:
    cost = Cost(1, 200, 3_000)

    assert [cost.of(unit) for unit in Unit] == [1, 200, 3_000]


def test_what_admits_nothing_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match="amount"):
        Limit(Unit.REQUESTS, 0, Window(MINUTE))
    with pytest.raises(ValueError, match="max_concurrent"):
        Budget("b", max_concurrent=0)
