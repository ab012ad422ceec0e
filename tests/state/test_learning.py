"""What providers say of their limits, and what every store makes of it and tells."""

from __future__ import annotations

import math

from tests.state.shops import (
    Shop,
    Till,
    budget,
    requests,
    soon,
    tokens,
)
from tproxy.core.budget import Cost, Unit
from tproxy.core.leases import REST, Denial, Heard, Room, Source
from tproxy.core.windows import HOUR, MINUTE, Window


def test_a_budget_rests_for_as_long_as_the_provider_says(shop: Shop) -> None:
    told, other = Till(shop), Till(shop)
    whose = budget(requests(9))

    assert told.rest(whose, 7.5) == soon(7.5)
    assert told.rest(whose, 5.0) == soon(7.5)
    assert other.denied(whose) == Denial("b", REST, soon(7.5))
    shop.clock.advance(7.51)
    assert other.fill(whose) == 9


def refused(till: Till) -> float:
    """Ask once more, as soon as may be, and be refused without a hint."""
    whose = budget(requests(999))
    till.shop.clock.advance(till.wait(whose) + 1e-6)
    till.release(till.take(whose))
    return till.rest(whose)


def test_without_a_hint_rests_double_up_to_the_window(till: Till) -> None:
    rests = [refused(till) for _ in range(8)]

    assert rests == [soon(r) for r in (1, 2, 4, 8, 16, 32, 60, 60)]


def test_after_a_rest_one_request_probes(shop: Shop) -> None:
    probing, other = Till(shop), Till(shop)
    whose = budget(requests(999))
    for _ in range(3):
        refused(probing)
    shop.clock.advance(4.01)

    probe = probing.take(whose)
    assert other.denied(whose) == Denial("b", REST, soon(2.0))
    probing.settle(probe)
    assert other.fill(whose, most=20) == 20
    assert refused(other) == soon(1.0)


def test_what_was_learned_by_resting_is_forgotten(till: Till) -> None:
    for _ in range(5):
        refused(till)
    till.shop.clock.advance(16.0 + MINUTE)

    assert till.fill(budget(requests(999)), most=20) == 20
    assert refused(till) == soon(1.0)


def test_a_header_can_only_leave_less(till: Till) -> None:
    minute = Window(MINUTE)
    whose = budget(requests(10))
    till.use(whose)

    till.learn(whose, Heard(Unit.REQUESTS, minute, 4, 20.0))
    assert till.state(whose).limits[0].left == 4
    assert till.state(whose).limits[0].drift == 5
    till.learn(whose, Heard(Unit.REQUESTS, minute, 50, 20.0))
    assert till.state(whose).limits[0].left == 9
    till.learn(whose, Heard(Unit.REQUESTS, minute, -3, math.nan))
    assert till.state(whose).limits[0].left == 9
    till.learn(whose, Heard(Unit.REQUESTS, minute, -3, math.inf))
    assert till.denied(whose).wait == soon(60.0)
    till.learn(whose, Heard(Unit.REQUESTS, minute, -3, 20.0))
    assert till.denied(whose).wait == soon(20.0)
    till.shop.clock.advance(20.01)
    assert till.fill(whose) == 9


def test_a_header_about_what_is_not_limited_here_teaches_nothing(till: Till) -> None:
    whose = budget(requests(10))

    till.learn(whose, Heard(Unit.TOKENS, Window(MINUTE), 0, 20.0))
    till.learn(whose, Heard(Unit.REQUESTS, Window(HOUR), 0, 20.0))

    assert till.fill(whose) == 10


def test_a_lease_tells_the_room_it_leaves(till: Till) -> None:
    whose = budget(requests(3), requests(100, HOUR), tokens(500))

    lease = till.take(whose, cost=Cost(1, 100))

    assert lease.room() == Room(Unit.REQUESTS, 3, 2, soon(60.0))
    assert lease.room(Unit.TOKENS) == Room(Unit.TOKENS, 500, 400, soon(60.0))
    assert lease.room(Unit.SPEND) is None
    assert till.room(whose) == lease.rooms


def test_a_snapshot_tells_each_figure_and_its_source(till: Till) -> None:
    whose = budget(requests(10), tokens(1_000))
    assert {limit.source for limit in till.state(whose).limits} == {Source.DECLARED}

    till.use(whose, cost=Cost(1, 300))
    till.shop.clock.advance(10.0)
    till.learn(whose, Heard(Unit.TOKENS, Window(MINUTE), 200, 30.0))
    till.shop.clock.advance(5.0)
    one, other = till.state(whose).limits

    assert (one.used, one.left, one.resets_in) == (1, 9, soon(45.0))
    assert (one.source, one.age) == (Source.COUNTED, soon(15.0))
    assert (other.used, other.left, other.drift) == (300, 200, 500)
    assert (other.source, other.age) == (Source.HEADER, soon(5.0))
    till.rest(whose, 30.0)
    assert {limit.source for limit in till.state(whose).limits} == {Source.ERROR}
    assert till.state(whose).resting_for == soon(30.0)
