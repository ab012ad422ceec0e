"""Leases last as long as they are kept and hold a place so long, in every store."""

from __future__ import annotations

from tests.state.shops import Shop, Till, budget, requests, soon
from tproxy.core.leases import CONCURRENCY


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
