from __future__ import annotations

import math
from datetime import date, datetime
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tproxy.core.windows import (
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    WEEK,
    Kind,
    Window,
    bounds,
    seconds_until,
)

ZONES = sorted(available_timezones())
MOMENTS = st.floats(0, 4e9, allow_nan=False)


def moment(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        (
            *(Window(DAY, Kind.CALENDAR), "2028-02-29T12:00"),
            *("2028-02-29T00:00", "2028-03-01T00:00"),
        ),
        (
            *(Window(WEEK, Kind.CALENDAR), "2026-11-08T23:59"),
            *("2026-11-02T00:00", "2026-11-09T00:00"),
        ),
        (
            *(Window(WEEK, Kind.CALENDAR), "2026-11-09T00:00"),
            *("2026-11-09T00:00", "2026-11-16T00:00"),
        ),
        (
            *(Window(MONTH, Kind.CALENDAR), "2027-02-28T23:59"),
            *("2027-02-01T00:00", "2027-03-01T00:00"),
        ),
        (
            *(Window(MONTH, Kind.CALENDAR), "2026-12-31T12:00"),
            *("2026-12-01T00:00", "2027-01-01T00:00"),
        ),
        (
            *(Window(MINUTE, Kind.CLOCK), "2026-11-08T12:34:56"),
            *("2026-11-08T12:34", "2026-11-08T12:35"),
        ),
        (
            *(Window(5 * HOUR, Kind.CLOCK), "2026-11-08T21:00"),
            *("2026-11-08T20:00", "2026-11-09T00:00"),
        ),
        (
            *(Window(WEEK, Kind.CLOCK), "2026-11-08T21:00"),
            *("2026-11-02T00:00", "2026-11-09T00:00"),
        ),
    ],
)
def test_a_window_begins_and_ends(
    window: Window, now: str, start: str, end: str
) -> None:
    assert bounds(window, moment(now)) == (moment(start), moment(end))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", "2027-03-14", 23),
        ("America/Los_Angeles", "2026-11-01", 25),
        ("Europe/Berlin", "2027-03-28", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Pacific/Auckland", "2026-09-27", 23),
        ("Pacific/Auckland", "2027-04-04", 25),
        ("Africa/Cairo", "2027-04-30", 23),  # it has no midnight
        ("America/Havana", "2026-11-01", 25),  # it has two
        ("Australia/Lord_Howe", "2026-10-04", 23.5),
        ("Asia/Kolkata", "2026-11-01", 24),
    ],
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(
    zone: str, day: str, hours: float
) -> None:
    noon = moment(f"{day}T12:00", zone)

    start, end = bounds(Window(DAY, Kind.CALENDAR, zone), noon)

    assert end - start == hours * HOUR
    assert datetime.fromtimestamp(start, ZoneInfo(zone)).date() == date.fromisoformat(
        day
    )


FIXED = st.one_of(
    st.builds(
        Window,
        st.sampled_from([DAY, WEEK, MONTH]),
        st.just(Kind.CALENDAR),
        st.sampled_from(ZONES),
    ),
    st.builds(Window, st.floats(0.1, 1e6), st.just(Kind.CLOCK)),
)


@given(FIXED, MOMENTS)
@settings(deadline=None)
def test_every_moment_is_in_one_window_and_the_next_follows_at_once(
    window: Window, now: float
) -> None:
    start, end = bounds(window, now)

    assert start <= now < end
    assert bounds(window, end)[0] == end
    assert bounds(window, math.nextafter(end, 0)) == (start, end)


@given(st.sampled_from(ZONES), st.integers(0, 4_000_000_000))
@settings(deadline=None)
def test_a_day_of_any_zone_holds_its_own_hours_only(zone: str, now: int) -> None:
    here = datetime.fromtimestamp(now, ZoneInfo(zone))

    start, end = bounds(Window(DAY, Kind.CALENDAR, zone), now)

    first = datetime.fromtimestamp(start, ZoneInfo(zone))
    last = datetime.fromtimestamp(end - 1, ZoneInfo(zone))
    assert first.date() == last.date() == here.date()
    before = datetime.fromtimestamp(start - 1, ZoneInfo(zone))
    assert before.date() < here.date()


@pytest.mark.parametrize(
    "window",
    [
        Window(60),
        Window(2.5, Kind.CLOCK),
        Window(5 * HOUR, Kind.FIRST_USE),
        Window(MONTH, Kind.CALENDAR, "America/Argentina/Buenos_Aires"),
    ],
)
def test_a_window_is_known_by_its_key(window: Window) -> None:
    assert Window.of(window.key) == window


@pytest.mark.parametrize(
    ("seconds", "label"),
    [(60, "minute"), (3600, "hour"), (DAY, "day"), (MONTH, "month"), (90, "90s")],
)
def test_a_window_has_a_name(seconds: float, label: str) -> None:
    assert Window(seconds).label == label


@pytest.mark.parametrize(
    ("seconds", "more"),
    [
        (0, {}),
        (-1, {}),
        (math.inf, {}),
        (math.nan, {}),
        (HOUR, {"kind": Kind.CALENDAR}),
        (DAY, {"zone": "Europe/Berlin"}),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    seconds: float, more: dict[str, Kind]
) -> None:
    with pytest.raises(ValueError, match=r"window|calendar"):
        Window(seconds, **more)  # type: ignore[arg-type]


@given(st.floats(0, 1e10), st.floats(0, 1e10) | st.floats(0, 100))
def test_a_wait_is_never_too_short_by_rounding(moment: float, now: float) -> None:
    wait = seconds_until(moment, now)

    assert wait == (0.0 if moment <= now else pytest.approx(moment - now, abs=1e-3))
    assert now + wait >= moment
