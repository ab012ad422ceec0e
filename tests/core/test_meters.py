"""Headers that tell what is left, as providers spell them and as they should not."""

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import meters
from tproxy.core.budget import Unit
from tproxy.core.leases import Heard
from tproxy.core.meters import Meter
from tproxy.core.windows import DAY, HOUR, MINUTE, Kind, Window

NOW = 1_793_700_000.0  # 2026-11-03T10:00:00Z
MINUTELY = Window(MINUTE)
DAILY = Window(DAY, Kind.CALENDAR, "Europe/Berlin")
REQUESTS = Meter(Unit.REQUESTS, DAILY, "left", "limit", "reset")
TOKENS = Meter(Unit.TOKENS, MINUTELY, "left-tokens", "limit-tokens")


def read(headers: Mapping[str, str], meter: Meter = REQUESTS) -> tuple[Heard, ...]:
    return meters.read(headers, (meter,), NOW)


def resets_in(reset: str) -> float:
    [heard] = read({"left": "5", "limit": "9", "reset": reset})
    return heard.resets_in


def test_each_limit_is_heard_of_with_its_window() -> None:
    headers = {
        "left": "14399",
        "limit": "14400",
        "reset": "6s",
        "left-tokens": "5987",
        "limit-tokens": "6000",
    }

    assert meters.read(headers, (REQUESTS, TOKENS), NOW) == (
        Heard(Unit.REQUESTS, DAILY, 14_399, 6.0),
        Heard(Unit.TOKENS, MINUTELY, 5_987, MINUTE),
    )


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("6s", 6.0),
        ("6m0s", 360.0),
        ("7.66s", 7.66),
        ("12ms", 0.012),
        ("1m", 60.0),
        ("1m0.5s", 60.5),
        ("1m129.5ms", 60.1295),
        ("500\xb5s", 0.0005),
        ("0s", 0.0),
        ("7", 7.0),
        ("1.25", 1.25),
        ("0", 0.0),
        ("1793700030", 30.0),
        ("1793700030000", 30.0),
        ("2026-11-03T10:00:30Z", 30.0),
        ("2026-11-03T12:00:30.5+02:00", 30.5),
        ("2026-11-03T09:59:30Z", 0.0),
        ("1793600000", 0.0),
    ],
)
def test_resets_are_read_however_they_are_spelled(reset: str, seconds: float) -> None:
    assert resets_in(reset) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "reset",
    [
        *("23h59m", "1d", "86400", "1893456000", "9" * 13, "2036-11-03T10:00:00Z"),
        *("", "soon", "-1", "-5s", "5 s", "5x", "s", "1e3", "inf", "nan", "9" * 99),
        *("2026-11-03T10:00:30", "2026-13-03T10:00:30Z", "1s, 2s"),
    ],
)
def test_a_reset_beyond_reason_is_an_hour_from_now(reset: str) -> None:
    """Whoever is told that a day is spent asks again before it is over."""
    assert resets_in(reset) == HOUR


def test_no_reset_is_later_than_a_window_from_now() -> None:
    meter = Meter(Unit.TOKENS, MINUTELY, "left", reset="reset")

    [heard] = read({"left": "1", "reset": "7m12s"}, meter)

    assert heard.resets_in == MINUTE


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({"left": "3", "limit": "5"}, 3),
        ({"left": "0", "limit": "5"}, 0),
        ({"left": "5", "limit": "5"}, 5),
        ({"left": "3"}, 3),
        ({"left": "0"}, None),
        ({"left": "0", "limit": "0"}, None),
        ({"left": "-1", "limit": "-1"}, None),
        ({"left": "-1", "limit": "5"}, None),
        ({"left": "3", "limit": "-1"}, None),
        ({"left": "3", "limit": "0"}, None),
        ({"left": "6", "limit": "5"}, None),
        ({"left": "3", "limit": "many"}, None),
        ({"left": "3, 4", "limit": "5"}, None),
        ({"left": "3.5", "limit": "5"}, None),
        ({"left": "1e1", "limit": "50"}, None),
        ({"left": "\xb2", "limit": "5"}, None),
        ({"left": "9" * 400, "limit": "9" * 401}, None),
        ({"left": "", "limit": "5"}, None),
        ({"limit": "5"}, None),
        ({}, None),
    ],
)
def test_what_makes_no_sense_is_not_heard(
    said: dict[str, str], left: int | None
) -> None:
    assert [heard.left for heard in read(said)] == ([] if left is None else [left])


NEARLY = (
    st.text(max_size=40)
    | st.text("0123456789.-+:TZdhmsu\xb5 ,e", max_size=40)
    | st.from_regex(r"\A\d{1,5}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z")
    | st.from_regex(r"\A(\d+(\.\d+)?(ms|[dhms])){1,4}\Z")
)


@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("left", "limit", "reset", "left-tokens"), NEARLY)
    ),
    st.floats(0, 1e11),
)
def test_no_header_is_a_surprise(headers: dict[str, str], wall: float) -> None:
    for heard in meters.read(headers, (REQUESTS, TOKENS), wall):
        assert 0 <= heard.left < 10**15
        assert 0 <= heard.resets_in <= min(heard.window.seconds, HOUR)
        assert math.isfinite(heard.resets_in)


@given(st.integers(0, 10**9), st.integers(1, 10**9), NEARLY)
def test_numbers_that_make_sense_are_heard(left: int, used: int, reset: str) -> None:
    [heard] = read({"left": str(left), "limit": str(left + used), "reset": reset})

    assert heard.left == left
