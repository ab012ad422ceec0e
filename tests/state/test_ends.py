"""When what a request takes is used: at its head, at its end, or a while after that."""

from __future__ import annotations

import asyncio

import pytest

from tests.clocks import FakeClock
from tests.state.shops import Till, budget, daily, requests, set_clock, soon, tokens
from tproxy.core.budget import ONE, Budget, Cost, Limit, Outcome, Unit
from tproxy.core.leases import UNHEARD_SECONDS, Denial, Lease, LeaseId
from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, Kind, Window
from tproxy.state.held import Held
from tproxy.state.standin import OnLoss, StandIn

SPAN = 100.0
BIG = Cost(1, 700, 700)
EACH_KIND = [
    tokens(1_000),
    tokens(1_000, kind=Kind.CLOCK),
    tokens(1_000, kind=Kind.FIRST_USE),
    tokens(1_000, DAY, kind=Kind.CALENDAR),
    Limit(Unit.SPEND, 1_000, Window(MINUTE)),
]


def reach(till: Till, lease: Lease) -> None:
    """Its head is heard, and every node and the store know."""
    till.store.reached(lease)
    till.extend(lease, seconds=HOUR)


def give_up(till: Till, *budgets: Budget, cost: Cost = ONE) -> None:
    """A request that was sent, and of which nothing was heard."""
    settling = till.store.settle(till.take(*budgets, cost=cost), heard=False)
    till.shop.run(settling)


@pytest.mark.parametrize("share", [None, 0.5])
@pytest.mark.parametrize("told", [True, False])
def test_tokens_are_used_until_the_end(
    till: Till, told: bool, share: float | None
) -> None:
    whose = budget(tokens(1_000), share=share)
    lease = till.take(whose, cost=BIG, seconds=HOUR)
    till.store.reached(lease)
    if told:
        till.extend(lease, seconds=HOUR)
    till.shop.clock.advance(SPAN)
    till.denied(whose, cost=Cost(1, 301))

    till.settle(lease, Cost(1, 600))

    assert till.denied(whose, cost=Cost(1, 401)).wait == soon(MINUTE)
    till.shop.clock.advance(MINUTE - 0.01)
    till.denied(whose, cost=Cost(1, 401))
    till.shop.clock.advance(0.01)
    till.use(whose, cost=Cost(1, 1_000))


@pytest.mark.parametrize("limit", EACH_KIND)
def test_until_then_they_count_in_whichever_window_is_on(
    till: Till, limit: Limit
) -> None:
    whose = budget(limit)
    lease = till.take(whose, cost=BIG, seconds=HOUR)
    reach(till, lease)
    till.shop.clock.advance(2 * limit.window.seconds)
    till.extend(lease, seconds=HOUR)

    assert till.state(whose).limits[0].used == 700
    till.settle(lease, Cost(1, 600, 600))
    assert till.state(whose).limits[0].used == 600

    till.shop.clock.advance(limit.window.seconds)
    assert till.state(whose).limits[0].used == 0


def test_requests_are_used_at_the_head_beside_them(till: Till) -> None:
    whose = budget(requests(1), tokens(1_000))
    lease = till.take(whose, cost=BIG, seconds=HOUR)
    reach(till, lease)
    till.shop.clock.advance(SPAN)

    assert [limit.used for limit in till.state(whose).limits] == [0, 700]
    till.settle(lease)
    assert [limit.used for limit in till.state(whose).limits] == [0, 700]


def test_tokens_go_by_the_day_on_which_it_ended(till: Till) -> None:
    limits = tokens(1_000, DAY, kind=Kind.CALENDAR), daily(5)
    set_clock(till, "2026-11-04T23:59:00")
    whose = budget(*limits)
    lease = till.take(whose, cost=BIG, seconds=HOUR)
    reach(till, lease)
    till.shop.clock.advance(2 * MINUTE)
    till.settle(lease, Cost(1, 600))

    assert [limit.used for limit in till.state(whose).limits] == [600, 0]


def test_who_is_given_back_after_the_head_gives_all_back(till: Till) -> None:
    whose = budget(requests(9), tokens(1_000), share=0.5)
    lease = till.take(whose, cost=BIG)
    reach(till, lease)

    till.release(lease)

    assert [limit.used for limit in till.state(whose).limits] == [0, 0]
    till.use(whose, cost=Cost(1, 1_000))


@pytest.mark.parametrize("known", [False, True])
def test_what_expires_after_the_head_is_used_at_its_expiry(
    till: Till, known: bool
) -> None:
    whose = budget(requests(9), tokens(1_000))
    lease = till.take(whose, cost=BIG, seconds=15.0)
    till.store.reached(lease)
    till.extend(lease, seconds=15.0)
    till.shop.clock.advance(30.0)
    assert till.denied(whose, cost=Cost(1, 301)).wait == soon(45.0)

    till.shop.clock.advance(10.0)
    if known:
        till.settle(lease, Cost(1, 600))
        assert till.denied(whose, cost=Cost(1, 401)).wait == soon(MINUTE)
    assert till.state(whose).limits[0].used == 1
    till.shop.clock.advance(20.0)
    assert till.state(whose).limits[0].used == 0
    assert till.state(whose).limits[1].used == (600 if known else 700)
    till.shop.clock.advance(MINUTE)
    assert till.state(whose).limits[1].used == 0


def test_a_late_one_that_goes_on_is_in_flight_again(till: Till) -> None:
    whose = budget(requests(9), tokens(1_000))
    lease = till.take(whose, cost=BIG, seconds=15.0)
    reach(till, lease)
    till.extend(lease, seconds=15.0)
    till.shop.clock.advance(20.0)
    assert till.state(whose).under_way == 0

    till.extend(lease, seconds=HOUR)

    till.shop.clock.advance(SPAN)
    assert [limit.used for limit in till.state(whose).limits] == [0, 700]
    till.release(lease)
    assert [limit.used for limit in till.state(whose).limits] == [0, 0]


@pytest.mark.parametrize("share", [None, 0.5])
@pytest.mark.parametrize("kind", [Kind.ROLLING, Kind.FIRST_USE])
def test_what_ended_unheard_may_be_counted_a_little_later(
    till: Till, kind: Kind, share: float | None
) -> None:
    whose = budget(requests(5, SPAN, kind=kind), share=share)
    give_up(till, whose)
    assert till.state(whose).under_way == 0

    till.shop.clock.advance(SPAN + UNHEARD_SECONDS - 0.01)
    assert till.fill(whose) == 4
    till.shop.clock.advance(0.01)
    assert till.fill(whose) == 1


@pytest.mark.parametrize(
    "limit",
    [
        requests(5, HOUR, kind=Kind.CLOCK),
        daily(5),
        requests(5, MONTH, kind=Kind.CALENDAR),
    ],
)
def test_it_counts_in_both_windows_between_which_it_ended(
    till: Till, limit: Limit
) -> None:
    set_clock(till, "2026-11-30T23:59:59")
    whose = budget(limit)
    give_up(till, whose)
    give_up(till, whose)
    assert till.fill(whose) == 3
    till.shop.clock.advance(1.0)
    till.denied(whose, cost=Cost(4))

    assert till.fill(whose) == 3


def test_what_ended_long_before_midnight_is_of_that_day(till: Till) -> None:
    set_clock(till, "2026-11-30T23:59:50")
    give_up(till, budget(daily(5)))

    till.shop.clock.advance(10.0)

    assert till.fill(budget(daily(5))) == 5


def test_its_tokens_too_may_be_counted_later(till: Till) -> None:
    whose = budget(tokens(1_000))
    give_up(till, whose, cost=Cost(1, 600))

    denial = till.denied(whose, cost=Cost(1, 401))

    assert denial == Denial("b", "tokens per minute", soon(MINUTE + UNHEARD_SECONDS))


def test_what_is_not_counted_is_not_counted_later_either(till: Till) -> None:
    whose = budget(requests(5), counts=frozenset({Outcome.ANSWER}))
    lease = till.take(whose)
    till.shop.run(till.store.settle(lease, None, Outcome.ERROR, heard=False))

    assert till.fill(whose) == 5


def test_a_stand_in_counts_its_tokens_until_the_end() -> None:
    clock, whose = FakeClock(), budget(requests(1), tokens(1_000))
    stand_in = StandIn(clock, OnLoss.SHARE, 1, lambda _: None)
    lease = Lease(LeaseId("before"), (whose,), BIG)
    held = Held(lease, clock.now, known_until=HOUR, reached=clock.now)

    async def test() -> None:
        await stand_in.adopt(held)
        clock.advance(SPAN)
        denial = await stand_in.reserve([whose], Cost(1, 301), LeaseId("later"))
        assert denial == Denial("b", "tokens per minute", soon(MINUTE))
        held.ended = clock.now
        await stand_in.end(held, Cost(1, 600), Outcome.ANSWER)
        taken = await stand_in.reserve([whose], Cost(1, 400), LeaseId("later"))
        assert isinstance(taken, Lease)

    asyncio.run(test())
