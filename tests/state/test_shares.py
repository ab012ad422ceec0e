"""What one class of clients leaves to the other, in memory, SQLite and Redis."""

from __future__ import annotations

import math

import pytest

from tests.clocks import FakeClock
from tests.state.shops import (
    MemoryShop,
    Shop,
    Till,
    budget,
    daily,
    requests,
    soon,
    tokens,
)
from tproxy.core.budget import ONE, ONE_HIGH, Cost, Limit, Outcome, Unit
from tproxy.core.leases import Denial, Heard, Lease, Shares, ShareState
from tproxy.core.windows import MINUTE, Kind, Window

EACH_KIND = [
    requests(10),
    requests(10, 2.5),
    requests(10, kind=Kind.CLOCK),
    requests(10, kind=Kind.FIRST_USE),
    daily(10),
]
TEN = budget(requests(10), share=0.7)


def ask(till: Till, *, high: int, rest: int) -> None:
    """So many requests of each class, of which some may be admitted."""
    for cost, count in ((ONE_HIGH, high), (ONE, rest)):
        for _ in range(count):
            lease = till.reserve(TEN, cost=cost)
            if isinstance(lease, Lease):
                till.settle(lease)


@pytest.mark.parametrize("cost", [ONE, ONE_HIGH])
@pytest.mark.parametrize("limit", EACH_KIND)
def test_who_asks_alone_has_all(till: Till, limit: Limit, cost: Cost) -> None:
    assert till.fill(budget(limit, share=0.7), cost=cost) == 10


@pytest.mark.parametrize("limit", EACH_KIND)
def test_where_both_ask_each_has_its_part(shop: Shop, limit: Limit) -> None:
    whose, first, rest = budget(limit, share=0.7), Till(shop), Till(shop)
    assert rest.fill(whose) == 10
    for _ in range(9):
        first.denied(whose, cost=ONE_HIGH)
    shop.clock.advance(first.denied(whose, cost=ONE_HIGH).wait)

    assert rest.fill(whose) == 3
    assert first.fill(whose, cost=ONE_HIGH) == 7


def test_the_first_place_that_is_free_is_kept_for_who_asked_in_vain(till: Till) -> None:
    for _ in range(10):
        till.use(TEN)
        till.shop.clock.advance(2.0)
    denial = till.denied(TEN, cost=ONE_HIGH)
    assert denial == Denial("b", "requests per minute", soon(40.0))
    till.shop.clock.advance(40.0)

    till.denied(TEN)
    assert till.wait(TEN) > 0
    assert till.wait(TEN, cost=ONE_HIGH) == 0
    till.use(TEN, cost=ONE_HIGH)


def test_a_part_that_is_not_asked_for_is_anybodys(till: Till) -> None:
    ask(till, high=2, rest=0)

    assert till.fill(TEN) == 8


def test_what_was_asked_for_is_remembered_for_a_window(till: Till) -> None:
    ask(till, high=5, rest=0)
    till.shop.clock.advance(61.0)

    assert till.fill(TEN) == 5
    assert till.fill(TEN, cost=ONE_HIGH) == 5


def test_what_was_asked_for_is_forgotten_in_two_windows(till: Till) -> None:
    ask(till, high=5, rest=0)
    till.shop.clock.advance(61.0)
    till.fill(TEN)

    assert till.denied(TEN).wait == till.wait(TEN) == soon(59.0)
    till.shop.clock.advance(59.0)
    assert till.fill(TEN) == 5


def test_what_is_kept_is_not_waited_for_longer_than_anything_else(till: Till) -> None:
    ask(till, high=9, rest=0)
    till.shop.clock.advance(30.0)
    ask(till, high=9, rest=1)

    assert till.denied(TEN).wait == soon(30.0)


@pytest.mark.parametrize(("share", "high"), [(0.7, 1), (0.3, 0)])
def test_of_a_single_request_one_class_has_all_while_it_asks(
    till: Till, share: float, high: int
) -> None:
    single = budget(requests(1), share=share)
    favoured, other = (ONE_HIGH, ONE) if high else (ONE, ONE_HIGH)
    till.use(single, cost=other)
    till.denied(single, cost=favoured)
    till.shop.clock.advance(60.0)

    assert till.denied(single, cost=other).wait == soon(60.0)
    till.use(single, cost=favoured)
    till.shop.clock.advance(121.0)
    till.use(single, cost=other)


def test_what_is_larger_than_its_part_goes_alone(till: Till) -> None:
    """Or else two classes that ask for much would keep each other out for ever."""
    whose = budget(tokens(1_000), share=0.7)
    large = Cost(1, 800), Cost(1, 800, high=True)
    till.use(whose, cost=large[0])
    for cost in large:
        till.denied(whose, cost=cost)
    till.shop.clock.advance(60.0)

    till.use(whose, cost=large[1])
    assert till.denied(whose, cost=large[0]).wait == soon(60.0)
    till.shop.clock.advance(60.0)
    till.use(whose, cost=large[0])


def test_a_limit_that_is_passed_by_one_request_wants_no_part(till: Till) -> None:
    whose = budget(tokens(1_000), share=0.7)

    assert till.denied(whose, cost=Cost(1, 1_001, high=True)).wait == math.inf

    till.use(whose, cost=Cost(1, 1_000))


def test_what_another_budget_refuses_is_not_asked_for(till: Till) -> None:
    own = budget(requests(1), name="own")
    till.use(own, TEN, cost=ONE_HIGH)
    for _ in range(9):
        assert till.denied(own, TEN, cost=ONE_HIGH).budget == "own"

    assert till.fill(TEN) == 9


def test_parts_are_of_what_the_provider_leaves(till: Till) -> None:
    ask(till, high=10, rest=0)
    till.shop.clock.advance(60.0)
    till.learn(TEN, Heard(Unit.REQUESTS, Window(MINUTE), 4, 50.0))

    assert till.fill(TEN) == 1  # of 4, high priority has 3
    assert till.fill(TEN, cost=ONE_HIGH) == 3


def test_a_lease_tells_what_is_left_for_its_class(till: Till) -> None:
    ask(till, high=5, rest=0)
    till.shop.clock.advance(61.0)

    room = till.take(TEN).room()
    assert room is not None
    assert (room.limit, room.left, room.resets_in) == (10, 4, soon(60.0))
    assert till.room(TEN)[0].left == 4
    assert till.room(TEN, cost=ONE_HIGH)[0].left == 9


@pytest.mark.parametrize("reached", [False, True])
def test_what_is_given_back_is_its_classes_again(till: Till, reached: bool) -> None:
    ask(till, high=10, rest=3)
    till.shop.clock.advance(60.0)
    leases = [till.take(TEN, cost=ONE_HIGH) for _ in range(7)]
    for lease in leases if reached else ():
        till.store.reached(lease)
    till.extend(*leases)

    till.release(leases[0])
    till.settle(leases[1], outcome=Outcome.REFUSAL)
    for lease in leases[2:]:
        till.settle(lease)

    assert till.state(TEN).limits[0].shares == Shares(
        high=ShareState(7, 5, 10), rest=ShareState(3, 0, 3)
    )
    assert till.fill(TEN, cost=ONE_HIGH) == 2


def test_a_snapshot_tells_the_parts(till: Till) -> None:
    assert till.state(budget(requests(10))).limits[0].shares is None
    till.use(TEN, cost=ONE_HIGH)
    till.fill(TEN)

    shares = till.state(TEN).limits[0].shares

    assert shares == Shares(high=ShareState(7, 1, 1), rest=ShareState(3, 9, 10))


def test_what_was_asked_for_outlives_the_process(shop: Shop) -> None:
    node = Till(shop)
    ask(node, high=8, rest=8)
    shop.crash(node.store)
    shop.clock.advance(61.0)

    till = Till(shop)
    assert till.fill(TEN) == 3
    assert till.fill(TEN, cost=ONE_HIGH) == 7


def test_a_lease_that_expires_was_its_classes(shop: Shop) -> None:
    dying, till = Till(shop), Till(shop)
    for _ in range(2):
        dying.take(TEN, cost=ONE_HIGH, seconds=15.0)
    shop.crash(dying.store)
    shop.clock.advance(15.0)

    shares = till.state(TEN).limits[0].shares

    assert shares is not None
    assert (shares.high.used, shares.rest.used) == (2, 0)


def test_a_budget_may_be_shared_from_now_on_and_no_more(till: Till) -> None:
    unshared = budget(requests(10))
    assert till.fill(unshared, most=4) == 4
    ask(till, high=9, rest=0)
    till.denied(unshared)
    till.shop.clock.advance(60.0)

    assert till.fill(TEN) == 3
    assert till.fill(unshared) == 7


@pytest.mark.parametrize(
    ("high", "rest", "served"),
    [(20, 20, (7, 3)), (20, 2, (8, 2)), (5, 20, (5, 5)), (0, 20, (0, 10))],
)
def test_of_those_who_ask_all_the_time_each_has_its_part_and_nothing_is_left(
    high: int, rest: int, served: tuple[int, int]
) -> None:
    """So often a minute, for a quarter of an hour; once all have been heard of."""
    till, admitted = Till(MemoryShop(FakeClock())), {ONE: 0, ONE_HIGH: 0}
    for second in range(900):
        for cost, times in ((ONE, rest), (ONE_HIGH, high)):
            if times and second % (60 // times) == 0:
                lease = till.reserve(TEN, cost=cost)
                if isinstance(lease, Lease):
                    till.settle(lease)
                    admitted[cost] += second >= 300
        till.shop.clock.advance(1.0)

    assert (admitted[ONE_HIGH] / 10, admitted[ONE] / 10) == pytest.approx(
        served, abs=0.5
    )
    till.shop.close()
