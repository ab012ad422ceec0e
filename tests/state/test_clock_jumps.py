"""Clocks jump: those of nodes, which Redis does not ask; and Redis's own, by which it
counts. Set back, nothing is admitted sooner, and nothing waits for longer. Set forward,
windows end sooner by as much; what is under way is known again with the next heartbeat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.servers import Server
from tests.state.shops import (
    RedisShop,
    ServerClock,
    Till,
    budget,
    daily,
    requests,
    soon,
    tokens,
)
from tests.state.test_true_windows import LIMIT, NIGHTS, STEPS, Step, moment, seen
from tproxy.core.budget import Cost, Unit
from tproxy.core.leases import CONCURRENCY, REST, Heard
from tproxy.core.windows import DAY, HOUR, MINUTE, Kind
from tproxy.state.remote import Remote
from tproxy.state.script import Figures, Reply, Script, Standing

ZONE = "Europe/Berlin"


@pytest.fixture
def clock(server: Server) -> ServerClock:
    return ServerClock(FakeClock())


@pytest.fixture
def till(server: Server, clock: ServerClock) -> Iterator[Till]:
    shop = RedisShop(clock.of, server, clock)
    yield Till(shop)
    shop.close()


@settings(max_examples=8, deadline=None)
@given(night=st.sampled_from(NIGHTS), steps=STEPS)
def test_no_window_holds_more_however_wrong_the_clocks_of_nodes_are(
    server: Server, night: str, steps: list[Step]
) -> None:
    start, place = moment(night, ZONE), ZoneInfo(ZONE)

    def opened(clock: FakeClock) -> RedisShop:
        return RedisShop(clock, server, ServerClock(clock, start))

    days = seen(opened, budget(daily(LIMIT, ZONE)), start, steps)
    minutes = seen(opened, budget(requests(LIMIT)), start, steps)

    held = Counter(datetime.fromtimestamp(at, place).date() for at in days)
    assert max(held.values()) <= LIMIT
    for first, last in zip(minutes, minutes[LIMIT:], strict=False):
        assert last - first >= MINUTE - 1e-5


@pytest.mark.parametrize("kind", [Kind.ROLLING, Kind.FIRST_USE])
def test_set_back_it_frees_nothing_sooner_and_nothing_later(
    till: Till, clock: ServerClock, kind: Kind
) -> None:
    whose = budget(requests(2, kind=kind))
    assert till.fill(whose) == 2
    clock.of.advance(10.0)

    clock.epoch -= HOUR

    assert till.denied(whose).wait == soon(60.0)
    clock.of.advance(59.0)
    till.denied(whose)
    clock.of.advance(1.0)
    assert till.fill(whose) == 2


def test_set_back_within_a_day_it_counts_on(till: Till, clock: ServerClock) -> None:
    today = budget(daily(3, ZONE))
    clock.epoch = moment("2027-03-27", ZONE) - clock.of.now
    till.use(today)

    clock.epoch -= HOUR

    assert till.fill(today) == 2
    assert till.denied(today).wait == soon(1.5 * HOUR)


def test_set_back_it_makes_no_lease_rest_or_word_of_a_provider_last_longer(
    till: Till, clock: ServerClock
) -> None:
    narrow = budget(tokens(9_000, DAY), requests(9), max_concurrent=1)
    dead = till.take(narrow, seconds=15.0)
    assert till.denied(narrow).limit == CONCURRENCY
    till.learn(narrow, Heard(Unit.REQUESTS, narrow.limits[1].window, 0, 30.0))
    assert till.rest(narrow, 20.0) == soon(20.0)

    clock.epoch -= HOUR
    assert till.denied(narrow).wait == soon(30.0)
    till.shop.crash(till.store)
    clock.of.advance(20.0)

    assert till.state(narrow).under_way == 0
    assert till.denied(narrow, cost=Cost(1)).limit != REST
    clock.of.advance(10.0)
    till.use(narrow)
    till.settle(dead)
    assert till.state(narrow).limits[1].used == 2


def test_set_forward_it_ends_leases_until_they_are_extended(
    till: Till, clock: ServerClock
) -> None:
    narrow = budget(requests(9, DAY), max_concurrent=2)
    leases = [till.take(narrow), till.take(narrow)]

    clock.epoch += HOUR
    assert till.state(narrow).under_way == 0
    till.extend(*leases)

    assert till.denied(narrow).limit == CONCURRENCY
    for lease in leases:
        till.settle(lease)
    state = till.state(narrow)
    assert (state.under_way, state.limits[0].used) == (0, 2)


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 400 * DAY, -400 * DAY])
def test_whatever_it_is_set_to_quotas_hold_from_then_on(
    till: Till, clock: ServerClock, jump: float
) -> None:
    limits = (requests(3), requests(3, kind=Kind.CLOCK), daily(3, ZONE))
    all_ = [budget(limit, name=limit.window.key) for limit in limits]
    for whose in all_:
        till.use(whose)

    clock.epoch += jump

    assert all(till.fill(whose) <= 3 for whose in all_)
    clock.of.advance(2 * DAY)
    assert [till.fill(whose) for whose in all_] == [3, 3, 3]


def test_an_answer_that_was_overtaken_is_no_news_unless_the_clock_was_set_back() -> (
    None
):
    whose = budget(requests(9))
    remote = Remote(Script.at("unix:///nobody", "a"), FakeClock())

    def told(taken: int, now: float) -> int:
        figures = Figures(taken, 0, 60.0, 0.0, 0)
        standing = Standing(0.0, 0.0, 0, 0.0, (figures,))
        remote._note(Reply("taken", (), now, "epoch", 1, (standing,)), [whose], 0.0)
        return remote.seen[whose].standing.limits[0].taken

    assert told(5, 100.0) == 5
    assert told(4, 99.99) == 5
    assert told(3, 40.0) == 3
