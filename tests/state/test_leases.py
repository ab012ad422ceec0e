"""Leases last as long as they are kept and hold a place so long, in every store."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.state.shops import Shop, Till, budget, daily, requests, soon, tokens
from tproxy.core.budget import Cost, Limit, Outcome
from tproxy.core.leases import CONCURRENCY, Lease
from tproxy.core.windows import HOUR, Kind

HOURS = [
    tokens(9_000, HOUR),
    tokens(9_000, HOUR, kind=Kind.CLOCK),
    tokens(9_000, HOUR, kind=Kind.FIRST_USE),
    tokens(9_000, 24 * HOUR, kind=Kind.CALENDAR),
]
THOUSAND = Cost(1, 1_000)
ENDS: dict[str, tuple[Callable[[Till, Lease], object], int]] = {
    "more": (lambda till, lease: till.settle(lease, Cost(1, 5_000)), 5_000),
    "as much": (lambda till, lease: till.settle(lease), 1_000),
    "less": (lambda till, lease: till.settle(lease, Cost(1, 300)), 300),
    "refused": (lambda till, lease: till.settle(lease, outcome=Outcome.REFUSAL), 0),
    "released": (lambda till, lease: till.release(lease), 0),
}


def test_so_many_are_under_way_at_once_and_no_more(till: Till) -> None:
    narrow = budget(max_concurrent=2)
    first, _ = till.take(narrow), till.take(narrow)
    assert till.denied(narrow).limit == CONCURRENCY

    till.settle(first)

    till.take(narrow)
    assert till.denied(narrow).wait == 1.0
    assert till.state(narrow).under_way == 2


def test_a_lease_that_expires_gives_its_place_back_and_has_used_the_rest(
    shop: Shop,
) -> None:
    whose = budget(requests(3), max_concurrent=1)
    dying = Till(shop)
    dying.take(whose, seconds=15.0)
    shop.crash(dying.store)
    till = Till(shop)

    shop.clock.advance(14.99)
    assert till.denied(whose).limit == CONCURRENCY
    shop.clock.advance(0.01)
    assert till.fill(whose) == 2
    assert till.denied(whose).wait == soon(60.0)
    assert till.state(whose).under_way == 0


def test_a_lease_that_expired_holds_up_nobody_who_only_looks(shop: Shop) -> None:
    dying, till = Till(shop), Till(shop)
    narrow = budget(requests(9), max_concurrent=1)
    dying.take(narrow, seconds=15.0)
    shop.crash(dying.store)
    assert till.denied(narrow).wait == till.wait(narrow) == 1.0

    shop.clock.advance(15.0)

    assert till.wait(narrow) == 0.0
    assert till.state(narrow).under_way == 0


def test_a_lease_that_is_extended_does_not_expire(till: Till) -> None:
    narrow = budget(requests(9), max_concurrent=1)
    lease = till.take(narrow, seconds=15.0)
    for _ in range(10):
        till.shop.clock.advance(10.0)
        till.extend(lease, seconds=15.0)
        till.denied(narrow)

    till.settle(lease)

    assert till.fill(narrow) == 8


def test_a_lease_that_has_expired_is_over(till: Till) -> None:
    whose = budget(requests(2), max_concurrent=1)
    late = till.take(whose, seconds=15.0)
    till.shop.clock.advance(16.0)
    other = till.take(whose)

    till.settle(late)
    till.release(late)
    till.extend(late)

    assert till.denied(whose).limit == "requests per minute"
    till.release(other)
    assert till.fill(whose) == 1


@pytest.mark.parametrize("limit", HOURS)
@pytest.mark.parametrize("was_reached", [False, True])
@pytest.mark.parametrize(("end", "used"), ENDS.values(), ids=ENDS)
def test_who_ends_after_the_lease_has_counts_as_it_was_and_once(
    till: Till,
    limit: Limit,
    was_reached: bool,
    end: Callable[[Till, Lease], object],
    used: int,
) -> None:
    whose = budget(limit, max_concurrent=2)
    late = till.take(whose, cost=THOUSAND, seconds=15.0)
    if was_reached:
        till.store.reached(late)
        till.extend(late, seconds=15.0)
    other = till.take(whose, cost=THOUSAND, seconds=60.0)
    till.shop.clock.advance(20.0)
    assert till.state(whose).under_way == 1
    assert till.state(whose).limits[0].used == 2_000

    for _ in range(2):
        end(till, late)
        assert till.state(whose).limits[0].used == used + 1_000
        assert till.state(whose).under_way == 1

    till.release(other)
    assert till.state(whose).limits[0].used == used


def test_a_lease_that_expired_by_mistake_holds_its_place_again(till: Till) -> None:
    """Its process lives, and was only kept from saying so."""
    narrow = budget(tokens(9_000), max_concurrent=1)
    late = till.take(narrow, cost=THOUSAND, seconds=15.0)
    till.shop.clock.advance(20.0)
    assert till.state(narrow).under_way == 0

    till.extend(late, seconds=15.0)

    assert till.denied(narrow).limit == CONCURRENCY
    assert till.state(narrow).limits[0].used == 1_000
    till.shop.clock.advance(15.0)
    assert till.state(narrow).under_way == 0
    till.settle(late, Cost(1, 5_000))
    assert till.state(narrow).limits[0].used == 5_000


def test_it_counts_where_it_was_reached_though_its_lease_was_over(till: Till) -> None:
    one = budget(requests(1))
    late = till.take(one, seconds=15.0)
    till.shop.clock.advance(20.0)
    assert till.denied(one).wait == soon(55.0)

    till.settle(late)

    assert till.denied(one).wait == soon(60.0)


def test_an_hour_after_its_end_nobody_remembers_a_lease(shop: Shop) -> None:
    till, today = Till(shop), budget(daily(9))
    late = till.take(today)
    shop.clock.advance(20.0)
    till.denied(today, cost=Cost(9))
    shop.clock.advance(HOUR)
    till.take(today)
    shop.clock.advance(20.0)
    till.denied(today, cost=Cost(9))

    till.release(late)

    assert till.state(today).limits[0].used == 2
