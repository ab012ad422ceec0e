"""What every store promises: `core.leases.QuotaStore`, in memory, SQLite and Redis."""

from __future__ import annotations

import math

import pytest

from tests.state.shops import (
    Shop,
    Till,
    budget,
    daily,
    requests,
    set_clock,
    soon,
    tokens,
)
from tproxy.core.budget import Cost, Limit, Outcome, Unit
from tproxy.core.leases import Denial, Lease
from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, WEEK, Kind, Window

EACH_KIND = [
    requests(5),
    requests(5, HOUR),
    requests(5, 2.5),
    requests(5, kind=Kind.CLOCK),
    requests(5, kind=Kind.FIRST_USE),
    daily(5),
    requests(5, WEEK, kind=Kind.CALENDAR),
    requests(5, MONTH, kind=Kind.CALENDAR, zone="Asia/Kolkata"),
]


@pytest.mark.parametrize("limit", EACH_KIND)
def test_exactly_the_limit_is_admitted(till: Till, limit: Limit) -> None:
    results = [till.reserve(budget(limit)) for _ in range(12)]

    assert [isinstance(result, Lease) for result in results] == [True] * 5 + [False] * 7
    assert len({lease.id for lease in results if isinstance(lease, Lease)}) == 5


@pytest.mark.parametrize("limit", EACH_KIND)
def test_nodes_share_their_budgets(shop: Shop, limit: Limit) -> None:
    nodes = [Till(shop) for _ in range(3)]

    admitted = [
        isinstance(nodes[n % 3].reserve(budget(limit)), Lease) for n in range(9)
    ]

    assert admitted == [True] * 5 + [False] * 4


def test_all_budgets_give_or_none(till: Till) -> None:
    own, account = budget(requests(5)), budget(requests(2), name="account")
    for _ in range(2):
        till.use(own, account)

    for _ in range(20):
        assert till.denied(own, account).budget == "account"

    assert till.fill(own) == 3


def test_what_has_to_be_waited_for_longest_is_told(till: Till) -> None:
    both = budget(requests(1, HOUR), requests(1))
    till.use(both)
    till.shop.clock.advance(5.0)

    denial = till.denied(both)

    assert denial == Denial("b", "requests per hour", soon(3595.0))
    assert till.wait(both) == soon(3595.0)


def test_a_rolling_window_is_free_again_the_very_moment_it_allows(till: Till) -> None:
    for _ in range(3):
        till.use(budget(requests(3)))
        till.shop.clock.advance(10.0)

    assert till.denied(budget(requests(3))).wait == soon(30.0)
    till.shop.clock.advance(29.99)
    till.denied(budget(requests(3)))
    till.shop.clock.advance(0.01)
    till.use(budget(requests(3)))
    assert till.denied(budget(requests(3))).wait == soon(10.0)


def test_a_request_has_its_place_where_it_reached_the_provider(till: Till) -> None:
    one = budget(requests(1))
    lease = till.take(one)
    till.shop.clock.advance(8.0)
    till.store.reached(lease)
    till.shop.clock.advance(4.0)
    till.settle(lease)

    assert till.denied(one).wait == soon(56.0)


def test_a_request_in_flight_counts_in_whichever_window_is_on(till: Till) -> None:
    set_clock(till, "2026-11-04T23:59:59")
    today = budget(daily(2))
    early, late = till.take(today, seconds=60.0), till.take(today, seconds=60.0)
    till.store.reached(early)

    till.shop.clock.advance(2.0)
    till.settle(early)
    till.use(today)
    till.denied(today)
    till.settle(late)
    assert till.denied(today).wait == soon(DAY - 1)


def test_what_is_released_can_be_taken_again_at_once(till: Till) -> None:
    for limit in EACH_KIND:
        whose = budget(limit, name=limit.window.key)
        leases = [till.take(whose) for _ in range(5)]

        for lease in leases[:2]:
            till.release(lease)

        assert till.fill(whose) == 2


def test_a_lease_ends_once(till: Till) -> None:
    for limit in EACH_KIND:
        whose = budget(limit, name=limit.window.key)
        released, settled = till.take(whose), till.take(whose)
        till.release(released)
        till.settle(settled)

        for lease in (released, settled):
            till.release(lease)
            till.settle(lease)

        assert till.fill(whose) == 4


def test_tokens_are_settled_to_the_token(till: Till) -> None:
    whose = budget(tokens(1_000), requests(10))
    lease = till.take(whose, cost=Cost(1, 700))
    assert till.denied(whose, cost=Cost(1, 301)).limit == "tokens per minute"

    till.settle(lease, Cost(1, 123))

    till.denied(whose, cost=Cost(1, 878))
    till.release(till.take(whose, cost=Cost(1, 877)))


def test_tokens_that_fell_short_are_counted_all_the_same(till: Till) -> None:
    whose = budget(tokens(1_000))
    till.settle(till.take(whose, cost=Cost(1, 10)), Cost(1, 1_500))

    assert till.denied(whose, cost=Cost(1, 1)).wait == soon(60.0)
    assert till.state(whose).limits[0].used == 1_500
    till.shop.clock.advance(60.0)
    till.use(whose, cost=Cost(1, 1_000))


def test_tokens_are_settled_after_the_provider_was_reached(till: Till) -> None:
    whose = budget(tokens(1_000))
    lease = till.take(whose, cost=Cost(1, 700))
    till.store.reached(lease)
    till.extend(lease)
    till.shop.clock.advance(5.0)

    till.settle(lease, Cost(1, 100))

    assert till.denied(whose, cost=Cost(1, 901)).wait == soon(60.0)
    till.use(whose, cost=Cost(1, 900))


def test_spend_is_counted_in_billionths_of_a_dollar(till: Till) -> None:
    whose = budget(Limit(Unit.SPEND, 5 * 10**9, Window(MONTH, Kind.CALENDAR)))

    till.use(whose, cost=Cost(1, 0, 4 * 10**9 + 1))

    till.denied(whose, cost=Cost(1, 0, 10**9))
    till.use(whose, cost=Cost(1, 0, 10**9 - 1))


def test_what_is_larger_than_its_limit_never_fits(till: Till) -> None:
    denial = till.denied(budget(tokens(1_000)), cost=Cost(1, 1_001))

    assert denial == Denial("b", "tokens per minute", math.inf)


@pytest.mark.parametrize(
    ("counts", "outcome", "left"),
    [
        ({Outcome.ANSWER, Outcome.ERROR}, Outcome.ANSWER, 1),
        ({Outcome.ANSWER, Outcome.ERROR}, Outcome.ERROR, 1),
        ({Outcome.ANSWER, Outcome.ERROR}, Outcome.REFUSAL, 2),
        ({Outcome.ANSWER}, Outcome.ERROR, 2),
        ({Outcome.ANSWER, Outcome.REFUSAL}, Outcome.REFUSAL, 1),
    ],
)
def test_a_budget_counts_what_its_provider_counts(
    till: Till, counts: set[Outcome], outcome: Outcome, left: int
) -> None:
    whose = budget(requests(2), counts=frozenset(counts))

    till.settle(till.take(whose), outcome=outcome)

    assert till.fill(whose) == left


def test_headroom_is_kept_for_the_owner(till: Till) -> None:
    whose = budget(Limit(Unit.REQUESTS, 15, Window(MINUTE), kept=2))

    assert till.fill(whose) == 13


def test_a_budget_with_another_limit_goes_on_counting(shop: Shop) -> None:
    old, new = Till(shop), Till(shop)
    assert old.fill(budget(requests(5))) == 5

    new.denied(budget(requests(3)))
    assert new.fill(budget(requests(7))) == 2


def test_without_limits_all_are_admitted(till: Till) -> None:
    lease = till.take()
    free = till.take(budget())
    till.extend(lease, free)
    till.settle(lease)
    till.release(free)

    assert till.fill(budget(), most=50) == 50
    assert till.take(budget()).rooms == ()


def test_a_budget_named_twice_is_taken_from_once(till: Till) -> None:
    whose = budget(requests(2))

    till.use(whose, whose)

    assert till.fill(whose) == 1
