"""Windows of each kind begin and end in every store when they should."""

from __future__ import annotations

import pytest

from tests.state.shops import (
    Till,
    budget,
    daily,
    requests,
    set_clock,
    soon,
)
from tproxy.core.windows import DAY, HOUR, Kind

ZONES = ["UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata"]


@pytest.mark.parametrize("zone", [*ZONES, "Pacific/Auckland"])
@pytest.mark.parametrize("day", ["2026-11-04", "2028-02-28", "2028-02-29"])
def test_a_day_ends_at_midnight_in_its_zone(till: Till, zone: str, day: str) -> None:
    set_clock(till, f"{day}T23:59:00", zone)

    assert till.fill(budget(daily(2, zone))) == 2
    assert till.denied(budget(daily(2, zone))).wait == soon(60.0)
    till.shop.clock.advance(59.99)
    till.denied(budget(daily(2, zone)))
    till.shop.clock.advance(0.01)
    assert till.fill(budget(daily(2, zone))) == 2
    assert till.denied(budget(daily(2, zone))).wait == soon(DAY)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", "2027-03-14", 23),
        ("America/Los_Angeles", "2026-11-01", 25),
        ("Europe/Berlin", "2027-03-28", 23),
        ("Pacific/Auckland", "2027-04-04", 25),
    ],
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(
    till: Till, zone: str, day: str, hours: int
) -> None:
    set_clock(till, f"{day}T00:00:00", zone)
    today = budget(daily(2, zone))

    assert till.fill(today) == 2
    assert till.denied(today).wait == soon(hours * HOUR)
    till.shop.clock.advance(hours * HOUR - 1)
    till.denied(today)
    till.shop.clock.advance(1)
    assert till.fill(today) == 2


def test_a_window_by_the_clock_begins_with_the_round_minute(till: Till) -> None:
    set_clock(till, "2026-11-04T12:00:50")
    minute = budget(requests(2, kind=Kind.CLOCK))

    assert till.fill(minute) == 2
    assert till.denied(minute).wait == soon(10.0)
    till.shop.clock.advance(10.0)
    assert till.fill(minute) == 2
    assert till.denied(minute).wait == soon(60.0)


def test_a_window_of_first_use_begins_with_the_first_request(till: Till) -> None:
    window = budget(requests(2, 5 * HOUR, kind=Kind.FIRST_USE))
    till.use(window)
    till.shop.clock.advance(4 * HOUR)

    till.use(window)

    assert till.denied(window).wait == soon(HOUR)
    till.shop.clock.advance(HOUR + 100.0)
    assert till.fill(window) == 2
    assert till.denied(window).wait == soon(5 * HOUR)


def test_what_reached_a_window_of_first_use_that_is_over_is_told_too_late(
    till: Till,
) -> None:
    window = budget(requests(2, 60.0, kind=Kind.FIRST_USE))
    till.use(window)
    till.shop.clock.advance(50.0)
    late = till.take(window, seconds=60.0)
    till.store.reached(late)
    till.shop.clock.advance(20.0)

    till.settle(late)

    assert till.fill(window) == 2
    assert till.denied(window).wait == soon(60.0)
