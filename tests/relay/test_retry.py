from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import RetryPolicy
from tproxy.relay.retry import pause

POLICY = RetryPolicy(max_retries=4, base_delay=1.0, max_delay=6.0, jitter=0.5)

seconds = st.floats(0, 1e6, allow_nan=False)


def failed(
    row: Failure = failures.SERVER, retry_after: float | None = None
) -> UpstreamFailed:
    return UpstreamFailed(message="", failure=row, model="a", retry_after=retry_after)


@pytest.mark.parametrize(
    ("repeat", "chance", "expected"),
    [
        (1, 0.5, 1.0),
        (2, 0.5, 2.0),
        (3, 0.5, 4.0),
        (4, 0.5, 6.0),
        (5, 0.5, None),
        (1, 0.0, 0.5),
        (2, 0.75, 2.5),
        (4, 0.9, 6.0),
        (4, 0.0, 3.0),
    ],
)
def test_pauses_double_within_bounds(
    repeat: int, chance: float, expected: float | None
) -> None:
    assert pause(failed(), repeat, POLICY, rest=0.0, chance=chance) == expected


@pytest.mark.parametrize(
    ("retry_after", "rest", "expected"),
    [
        (None, 0.0, 1.0),
        (0.25, 0.0, 1.0),
        (5.5, 0.0, 5.5),
        (6.0, 0.0, 6.0),
        (6.01, 0.0, None),
        (None, 5.0, 5.0),
        (2.0, 5.0, 5.0),
        (2.0, 6.01, None),
    ],
)
def test_a_pause_is_never_shorter_than_asked_for(
    retry_after: float | None, rest: float, expected: float | None
) -> None:
    error = failed(failures.RATE_LIMIT, retry_after)

    assert pause(error, 1, POLICY, rest=rest, chance=0.5) == expected


def test_a_connection_that_was_closed_is_repeated_before_all_others() -> None:
    stale = failed(failures.STALE)

    assert pause(stale, 1, POLICY, rest=0.0, chance=0.5) == -math.inf
    assert pause(stale, 2, POLICY, rest=0.0, chance=0.5) == 2.0


def test_no_repeats_means_none() -> None:
    policy = RetryPolicy(max_retries=0)

    assert pause(failed(), 1, policy, rest=0.0, chance=0.5) is None


@given(
    repeat=st.integers(1, 10_000),
    chance=st.floats(0, 1, exclude_max=True),
    base=seconds,
    longest=seconds,
    jitter=st.floats(0, 1),
    asked=st.none() | seconds,
)
def test_a_pause_is_finite_and_within_bounds(
    repeat: int,
    chance: float,
    base: float,
    longest: float,
    jitter: float,
    asked: float | None,
) -> None:
    policy = RetryPolicy(10_000, base, longest, jitter)
    wait = pause(failed(retry_after=asked), repeat, policy, rest=0.0, chance=chance)

    if asked is not None and asked > longest:
        assert wait is None
    else:
        assert wait is not None
        assert (asked or 0.0) <= wait <= longest
