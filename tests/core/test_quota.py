from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.quota import DAY, HOUR, MINUTE, Kind, Window, day_bounds

ZONES = [
    *("UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia"),
    "Africa/Cairo",  # clocks change at midnight, which then does not exist
    "America/Havana",  # or exists twice
    "America/Nuuk",  # or comes an hour late
    "Australia/Lord_Howe",  # by half an hour
]


def moment(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("now", "zone", "hours"),
    [
        ("2026-11-03T12:00", "UTC", 24),
        ("2026-11-03T12:00", "Asia/Kolkata", 24),
        ("2028-02-29T12:00", "America/Los_Angeles", 24),
        ("2027-02-28T23:59:59", "UTC", 24),
        ("2026-03-08T12:00", "America/Los_Angeles", 23),
        ("2026-11-01T12:00", "America/Los_Angeles", 25),
        ("2026-03-29T01:59", "Europe/Berlin", 23),
        ("2026-03-29T03:00", "Europe/Berlin", 23),
        ("2026-10-25T02:30", "Europe/Berlin", 25),
        ("2026-04-24T12:00", "Africa/Cairo", 23),
        ("2026-10-29T23:30", "Africa/Cairo", 25),
        ("2026-03-08T12:00", "America/Havana", 23),
        ("2026-11-01T00:30", "America/Havana", 25),
        ("2026-10-24T23:30", "America/Nuuk", 25),
        ("2026-04-05T12:00", "Australia/Lord_Howe", 24.5),
        ("2026-10-04T12:00", "Australia/Lord_Howe", 23.5),
    ],
)
def test_a_day_lasts_from_midnight_to_midnight(
    now: str, zone: str, hours: float
) -> None:
    start, end = day_bounds(moment(now, zone), zone)

    assert end - start == hours * HOUR
    assert start <= moment(now, zone) < end
    midnight = datetime.fromtimestamp(end, ZoneInfo(zone))
    assert midnight.date() == datetime.fromisoformat(now).date() + timedelta(days=1)


def test_of_an_hour_that_comes_twice_both_are_the_same_day() -> None:
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    second = first.replace(fold=1)
    assert second.timestamp() - first.timestamp() == HOUR

    assert day_bounds(first.timestamp(), "Europe/Berlin") == day_bounds(
        second.timestamp(), "Europe/Berlin"
    )


@given(
    st.integers(16_000 * DAY, 24_000 * DAY),  # 2013 to 2035
    st.sampled_from(ZONES),
    st.floats(0, DAY),
)
def test_days_follow_one_another_without_a_gap(
    now: int, zone: str, within: float
) -> None:
    start, end = day_bounds(now, zone)

    assert start <= now < end
    assert 20 * HOUR < end - start < 28 * HOUR
    assert day_bounds(start, zone) == (start, end)
    assert day_bounds(min(start + within, end - 1e-3), zone) == (start, end)
    assert day_bounds(end, zone)[0] == end
    assert day_bounds(start - 1e-3, zone)[1] == start


def test_a_window_is_called_by_its_length() -> None:
    windows = [Window(seconds, 1) for seconds in (MINUTE, HOUR, DAY, 90)]

    assert [window.label for window in windows] == ["minute", "hour", "day", "90s"]
    assert windows[0].kind is Kind.ROLLING
