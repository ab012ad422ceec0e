"""A budget whose windows are declared otherwise goes on from what it knows."""

from __future__ import annotations

import pytest

from tests.state.shops import (
    Shop,
    SqliteShop,
    Till,
    budget,
    daily,
    requests,
    set_clock,
    soon,
    tokens,
)
from tproxy.core.budget import ONE_HIGH, Cost, Limit
from tproxy.core.windows import DAY, HOUR, MINUTE, Kind

CLOCK, FIRST_USE = Kind.CLOCK, Kind.FIRST_USE


def changed(shop: Shop, *old: Limit) -> Till:
    """A node that declares others, after 20 requests under the old ones."""
    set_clock(Till(shop), "2026-11-04T12:00:10")
    assert Till(shop).fill(budget(*old), cost=Cost(1, 10), most=20) == 20
    shop.clock.advance(5.0)
    return Till(shop)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (requests(20), requests(20, kind=CLOCK)),
        (requests(20), requests(20, kind=FIRST_USE)),
        (requests(20), requests(20, 90.0)),
        (requests(20), requests(20, 30.0)),
        (requests(20, kind=CLOCK), requests(20)),
        (requests(20, kind=FIRST_USE), requests(20)),
        (requests(20, HOUR), requests(20, 1_800.0, kind=FIRST_USE)),
        (daily(20), daily(20, "Europe/Berlin")),
        (tokens(200), tokens(200, kind=CLOCK)),
    ],
)
def test_a_window_that_is_changed_goes_on_from_the_same_count(
    shop: Shop, old: Limit, new: Limit
) -> None:
    till = changed(shop, old)

    till.denied(budget(new), cost=Cost(1, 10))

    more = budget(Limit(new.unit, new.amount + 7 * new.amount // 20, new.window))
    assert till.fill(more, cost=Cost(1, 10)) == 7
    assert till.state(more).limits[0].used == new.amount * 27 // 20


def test_it_knows_that_for_as_long_as_the_window_lasts(shop: Shop) -> None:
    till, new = changed(shop, requests(20)), budget(requests(20, 90.0))

    assert till.denied(new).wait == soon(90.0)
    shop.clock.advance(90.0)
    assert till.fill(new) == 20


def test_of_a_longer_log_counts_what_is_within_the_new_window(shop: Shop) -> None:
    till, new = changed(shop, requests(100, HOUR), daily(99)), requests(20)
    shop.clock.advance(MINUTE)
    Till(shop).use(budget(requests(100, HOUR), daily(99)))

    assert till.fill(budget(requests(100, HOUR), new)) == 19
    assert till.fill(budget(requests(20, kind=FIRST_USE))) == 0


def test_what_is_under_way_counts_as_well(shop: Shop) -> None:
    set_clock(Till(shop), "2026-11-04T12:00:10")
    old, new = Till(shop), Till(shop)
    for _ in range(3):
        old.take(budget(requests(20)))

    assert new.fill(budget(requests(20, kind=CLOCK))) == 17


def test_a_window_that_is_added_begins_at_nothing_where_no_log_is_as_long(
    shop: Shop,
) -> None:
    """What a day has counted, or a minute, says little of an hour."""
    till = changed(shop, requests(20), daily(100))

    assert till.fill(budget(requests(50), daily(100), requests(20, HOUR))) == 20


def test_what_is_over_is_not_taken_over(shop: Shop) -> None:
    old = requests(20, kind=CLOCK), requests(20, kind=FIRST_USE), requests(20)
    till = changed(shop, *old)
    shop.clock.advance(HOUR)

    assert till.fill(budget(requests(20, 90.0))) == 20


def test_other_units_and_other_names_know_nothing_of_it(shop: Shop) -> None:
    till = changed(shop, requests(20), tokens(200))

    assert till.fill(budget(requests(20, kind=CLOCK), name="c")) == 20
    spent = budget(requests(99, 90.0), tokens(230, 90.0))
    assert till.fill(spent, cost=Cost(1, 10)) == 3


def test_where_it_is_shared_no_more_goes_in_all(shop: Shop) -> None:
    set_clock(Till(shop), "2026-11-04T12:00:10")
    old, new = budget(requests(20), share=0.5), requests(20, kind=CLOCK)
    assert Till(shop).fill(old, cost=ONE_HIGH, most=15) == 15

    assert Till(shop).fill(budget(new, share=0.5)) == 5


def test_it_goes_on_once(shop: Shop) -> None:
    """Who goes back and forth finds what each has counted, once."""
    till = changed(shop, requests(30))

    assert till.fill(budget(requests(25, kind=CLOCK))) == 5
    assert till.fill(budget(requests(30))) == 10
    assert till.fill(budget(requests(26, kind=CLOCK))) == 1


def test_every_process_takes_the_same_over(shop: Shop) -> None:
    """Whatever it has looked at, and whenever it has read the file."""
    early, new = Till(shop), budget(requests(20, 90.0))
    till = changed(shop, requests(20))
    early.state(new)
    early.wait(new)

    till.denied(new)

    shop.clock.advance(89.0)
    assert early.denied(new).wait == soon(1.0)
    assert Till(shop).denied(new).wait == soon(1.0)
    if isinstance(shop, SqliteShop):
        for node in shop._open:
            node._journal._whole_every = 1
        till.reserve(budget(daily(5), name="another"))
        assert Till(shop).denied(new).wait == soon(1.0)
    shop.clock.advance(1.0)
    assert [each.fill(new, most=5) for each in (early, till, Till(shop))] == [5] * 3


def test_a_day_after_it_nothing_is_left_of_that(shop: Shop) -> None:
    till, new = changed(shop, daily(20)), budget(daily(20, "Europe/Berlin"))
    till.denied(new)

    shop.clock.advance(DAY)

    assert till.fill(new) == 20
