"""How soon a model has lately begun, and who finds out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.pace import FORGOTTEN, HALF_LIFE, TRIAL, Pace, Paces


def paced(*answers: tuple[float, float]) -> Pace:
    """After answers at these moments, which took so many seconds to begin."""
    pace = Pace()
    for now, seconds in answers:
        pace.began(seconds, now)
    return pace


@pytest.mark.parametrize(
    ("answers", "mean"),
    [
        ([(0.0, 2.0)], 2.0),
        ([(0.0, 2.0), (0.0, 4.0)], 3.0),
        ([(0.0, 2.0), (HALF_LIFE, 4.0)], (1.0 + 4.0) / 1.5),
        ([(0.0, 2.0), (HALF_LIFE, 4.0), (2 * HALF_LIFE, 8.0)], (0.5 + 2 + 8) / 1.75),
        ([(0.0, 2.0), (FORGOTTEN, 4.0)], 4.0),
    ],
)
def test_an_answer_counts_for_half_after_a_half_life(
    answers: list[tuple[float, float]], mean: float
) -> None:
    assert paced(*answers).lately(answers[-1][0]) == pytest.approx(mean)


@given(st.lists(st.tuples(st.floats(0, 99), st.floats(0, 999)), min_size=1))
def test_the_mean_is_among_the_answers(steps: list[tuple[float, float]]) -> None:
    pace, now = Pace(), 0.0
    for later, seconds in steps:
        now += later
        pace.began(seconds, now)

    mean, times = pace.lately(now), [seconds for _, seconds in steps]
    assert mean is not None
    assert min(times) * (1 - 1e-9) <= mean <= max(times) * (1 + 1e-9)


def test_a_slow_minute_is_forgotten() -> None:
    slow = [(float(second), 9.0) for second in range(60)]
    quick = [(60.0 + second, 1.0) for second in range(240)]

    then, later = paced(*slow).lately(60.0), paced(*slow, *quick).lately(300.0)

    assert then == pytest.approx(9.0)
    assert later is not None
    assert later < 1.5


def test_nothing_is_known_for_ever() -> None:
    pace = paced((0.0, 2.0))

    assert pace.lately(FORGOTTEN - 0.1) == 2.0
    assert pace.lately(FORGOTTEN) is None


@pytest.mark.parametrize(
    ("usual", "waited", "after"),
    [
        (None, 9.0, None),
        (None, TRIAL + 1, TRIAL + 1),  # so much is known by then
        (2.0, 0.01, 2.0),
        (2.0, 2.0, 2.0),
        (2.0, 4.0, 3.0),
    ],
)
def test_who_fails_is_never_the_quicker_for_it(
    usual: float | None, waited: float, after: float | None
) -> None:
    pace = Pace() if usual is None else paced((0.0, usual))

    pace.waited(waited, 0.0)

    assert pace.lately(0.0) == after


def test_one_request_finds_out_and_no_other_for_a_while() -> None:
    pace = Pace()
    assert pace.figure(0.0) == -math.inf

    pace.tried(0.0)

    assert pace.figure(TRIAL - 0.1) == math.inf
    assert pace.figure(TRIAL) == -math.inf  # nothing came of it
    pace.began(2.0, TRIAL)
    assert pace.figure(TRIAL) == 2.0
    assert pace.figure(TRIAL + FORGOTTEN) == -math.inf


def test_streams_and_whole_answers_are_told_apart() -> None:
    paces = Paces()
    paces.of("a", stream=True).began(1.0, 0.0)

    assert paces.of("a", stream=True).lately(0.0) == 1.0
    assert paces.of("a", stream=False).lately(0.0) is None
    assert paces.of("b", stream=True).lately(0.0) is None
