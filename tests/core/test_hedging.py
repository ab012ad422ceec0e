"""What is late, and how many may be helped."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.hedging import (
    EVERY,
    FEWEST_TIMES,
    MOST_SAVED,
    MOST_TIMES,
    SOONEST,
    Allowance,
    Hedging,
    Lately,
)


@given(st.lists(st.floats(0, 1e6), max_size=3 * MOST_TIMES))
def test_19_of_the_last_20_took_no_longer(times: list[float]) -> None:
    lately = Lately()
    for seconds in times:
        lately.add(seconds)

    kept = sorted(times[-MOST_TIMES:])
    if len(times) < FEWEST_TIMES:
        assert lately.p95 is None
    else:
        assert lately.p95 == kept[math.ceil(len(kept) * 0.95) - 1]


@pytest.mark.parametrize(
    ("slow", "of", "p95"), [(0, 20, 1.0), (1, 20, 1.0), (2, 20, 9.0), (10, 200, 1.0)]
)
def test_one_slow_answer_in_twenty_is_not_usual(slow: int, of: int, p95: float) -> None:
    lately = Lately()
    for number in range(of):
        lately.add(9.0 if number < slow else 1.0)

    assert lately.p95 == p95


def test_what_was_long_ago_is_forgotten() -> None:
    lately = Lately()
    for seconds in [9.0] * MOST_TIMES + [1.0] * MOST_TIMES:
        lately.add(seconds)

    assert lately.p95 == 1.0


@given(st.lists(st.sampled_from(["comes", "takes", "gives back"]), max_size=2_000))
def test_never_more_than_one_in_twenty(events: list[str]) -> None:
    allowance, out = Allowance(), 0
    for event in events:
        if event == "comes":
            allowance.earn()
        elif event == "takes":
            left = allowance.left
            assert allowance.take() is (left > 0)
            out += left > 0
        elif out:
            allowance.give_back()
            out -= 1

        assert allowance.hedged == out
        assert out * EVERY <= allowance.requests
        assert 0 <= allowance.left <= MOST_SAVED


@given(st.integers(0, 3_000), st.integers(0, 3_000))
def test_what_is_saved_up_is_bounded(quiet: int, busy: int) -> None:
    """After `quiet` requests that needed no help, each of `busy` wants some."""
    allowance = Allowance()
    for _ in range(quiet):
        allowance.earn()
    for _ in range(busy):
        allowance.earn()
        allowance.take()

    saved = min(quiet, MOST_SAVED * EVERY)
    earned = (saved + busy) // EVERY
    assert min(busy, earned - 1) <= allowance.hedged <= earned


def of(*times: tuple[float, int]) -> Hedging:
    """So many seconds, so many times."""
    hedging = Hedging()
    for seconds, count in times:
        for _ in range(count):
            hedging.began(seconds, stream=True)
    return hedging


@pytest.mark.parametrize(
    ("hedging", "late"),
    [
        (of(), None),
        (of((1.0, FEWEST_TIMES - 1)), None),
        (of((1.0, FEWEST_TIMES)), 1.0),
        (of((SOONEST / 2, FEWEST_TIMES)), SOONEST),
        (of((1.0, 95), (9.0, 5)), 1.0),
        (of((1.0, 94), (9.0, 6)), 9.0),
    ],
)
def test_what_is_late(hedging: Hedging, late: float | None) -> None:
    assert hedging.late_after(stream=True) == late


def test_streams_and_whole_answers_are_told_apart() -> None:
    hedging = of((1.0, FEWEST_TIMES))

    assert hedging.late_after(stream=False) is None
