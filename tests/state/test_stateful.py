"""Nodes that share a store, requests that reach their provider sooner or later, crashes
between any two steps: the provider never sees more than a limit in any of its windows,
and nothing is held beyond its time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.clocks import FakeClock
from tests.state.late_shop import LateSqliteShop
from tests.state.parting import split
from tests.state.shops import (
    Shop,
    Till,
    budget,
    daily,
    requests,
    tokens,
)
from tproxy.core.budget import ONE_HIGH, Budget, Cost
from tproxy.core.leases import CONCURRENCY, Denial, Lease
from tproxy.core.windows import DAY, MINUTE, Kind

ZONE = "Europe/Berlin"
LEASE = 15.0
HEARTBEAT = 5.0

ROLLING = budget(requests(4), tokens(100), name="rolling")
CLOCK = budget(requests(3, kind=Kind.CLOCK), name="clock", max_concurrent=3)
DAILY = budget(daily(9, ZONE), name="daily")
SHARED = budget(requests(5), tokens(120), name="shared", share=0.6)
ALL = (ROLLING, CLOCK, DAILY, SHARED)
GROUPS = st.sampled_from([ALL, (ROLLING,), (CLOCK,), (SHARED,), (DAILY, ROLLING)])


@attrs.define(eq=False)
class Attempt:
    """A request, and what its provider makes of it.

    It reaches the provider as soon as it is sent if `early`; else no sooner than we
    learn of it.
    """

    lease: Lease
    sent: float
    early: bool
    reached: bool = False
    arrival: float | None = None
    ended: float = math.inf
    tokens: int = 0
    parted: bool = False


class Nodes(RuleBasedStateMachine):
    def __init__(self, opening: Callable[[FakeClock], Shop]) -> None:
        super().__init__()
        self.opening = opening
        self.clock = FakeClock(now=0.0)
        self.shop = opening(self.clock)
        self.nodes: dict[int, Till] = {}
        self.open: dict[int, list[Attempt]] = {}
        self.arrived: list[Attempt] = []

    def node(self, number: int) -> Till:
        if number not in self.nodes:
            self.nodes[number] = Till(self.shop)
            self.open[number] = []
        return self.nodes[number]

    def arrive(self, attempt: Attempt) -> None:
        if attempt.arrival is None:
            attempt.arrival = attempt.sent if attempt.early else self.clock.wall()
            attempt.tokens = attempt.lease.cost.tokens
            self.arrived.append(attempt)

    numbers = st.integers(0, 2)

    @rule(
        number=numbers,
        group=GROUPS,
        size=st.integers(1, 60),
        early=st.booleans(),
        high=st.booleans(),
    )
    def reserve(
        self,
        number: int,
        group: tuple[Budget, ...],
        size: int,
        early: bool,
        high: bool,
    ) -> None:
        result = self.node(number).reserve(
            *group,
            cost=Cost(1, size, high=high),
            seconds=LEASE,
        )
        if isinstance(result, Lease):
            attempt = Attempt(result, self.clock.wall(), early)
            self.open[number].append(attempt)
            if early:
                self.arrive(attempt)
        else:
            assert isinstance(result, Denial)
            assert result.wait > 0

    @rule(number=numbers, group=GROUPS)
    def die_before_the_answer_of_the_store(
        self, number: int, group: tuple[Budget, ...]
    ) -> None:
        self.node(number).reserve(*group, seconds=LEASE)
        self.die(number)

    @precondition(lambda self: any(self.open.values()))
    @rule(data=st.data())
    def reach(self, data: st.DataObject) -> None:
        number, attempt = self.draw(data)
        self.arrive(attempt)
        self.nodes[number].store.reached(attempt.lease)
        attempt.reached = True

    @precondition(lambda self: any(self.open.values()))
    @rule(data=st.data(), used=st.integers(0, 60))
    def settle(self, data: st.DataObject, used: int) -> None:
        number, attempt = self.draw(data)
        self.arrive(attempt)
        attempt.tokens = min(used, attempt.lease.cost.tokens)
        attempt.ended = self.clock.wall()
        self.open[number].remove(attempt)
        self.nodes[number].settle(attempt.lease, Cost(1, attempt.tokens))

    @precondition(lambda self: any(self.open.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        number, attempt = self.draw(data)
        if attempt.arrival is None:
            self.open[number].remove(attempt)
            self.nodes[number].release(attempt.lease)

    @precondition(lambda self: any(self.open.values()))
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        number, attempt = self.draw(data)
        first, *others = attempt.lease.budgets
        if others and not attempt.parted:
            attempt.parted = True
            part, attempt.lease = split(self.nodes[number], attempt.lease, first.name)
            other = attrs.evolve(attempt, lease=part)
            self.open[number].append(other)
            if other.arrival is not None:
                self.arrived.append(other)

    @rule(number=numbers, late=st.booleans())
    def die(self, number: int, late: bool = False) -> None:
        """Whether the last requests still went out, nobody knows."""
        node = self.nodes.pop(number, None)
        if node is not None:
            for attempt in self.open.pop(number):
                attempt.ended = self.clock.wall()
                if late:
                    self.arrive(attempt)
            self.shop.crash(node.store)

    @precondition(lambda self: not any(self.open.values()))
    @rule()
    def sleep(self) -> None:
        self.clock.advance(7_000.0)

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0, 60.0, 61.0]))
    def wait(self, seconds: float) -> None:
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.advance(min(HEARTBEAT, end - self.clock.now))
            for number, attempts in self.open.items():
                if attempts:
                    leases = [attempt.lease for attempt in attempts]
                    self.nodes[number].extend(*leases, seconds=LEASE)
                elif end - self.clock.now > MINUTE:
                    break
            if not any(self.open.values()):
                self.clock.now = end

    @invariant()
    def no_span_holds_more(self) -> None:
        for whose, most, largest in (("rolling", 4, 100), ("shared", 5, 120)):
            mine = self.of(whose)
            for last in mine:
                end = last.arrival or 0.0
                span = [a for a in mine if end - MINUTE < (a.arrival or 0.0) <= end]
                assert len(span) <= most
                assert sum(attempt.tokens for attempt in span) <= largest
                end = last.ended
                over = [a for a in mine if end - MINUTE < a.ended <= end < math.inf]
                assert sum(attempt.tokens for attempt in over) <= largest

    @invariant()
    def no_minute_of_the_clock_holds_more(self) -> None:
        minutes = [(attempt.arrival or 0.0) // MINUTE for attempt in self.of("clock")]
        assert all(minutes.count(minute) <= 3 for minute in minutes)

    @invariant()
    def no_day_holds_more(self) -> None:
        place = ZoneInfo(ZONE)
        days = [
            datetime.fromtimestamp(attempt.arrival or 0.0, place).date()
            for attempt in self.of("daily")
        ]
        assert all(days.count(day) <= 9 for day in days)

    @invariant()
    def no_more_are_under_way_than_may_be(self) -> None:
        under_way = [
            attempt
            for attempts in self.open.values()
            for attempt in attempts
            if CLOCK in attempt.lease.budgets
        ]
        assert len(under_way) <= 3

    def of(self, name: str) -> list[Attempt]:
        return [
            attempt
            for attempt in self.arrived
            if name in {budget.name for budget in attempt.lease.budgets}
        ]

    def draw(self, data: st.DataObject) -> tuple[int, Attempt]:
        known = [(n, a) for n, attempts in self.open.items() for a in attempts]
        return data.draw(st.sampled_from(known))

    def teardown(self) -> None:
        """All that was taken is free again when its time is over."""
        for number in list(self.nodes):
            self.die(number)
        till = Till(self.shop)
        self.clock.advance(LEASE)
        assert till.denied(CLOCK, cost=Cost(4)).limit != CONCURRENCY
        self.clock.advance(2 * DAY)
        assert [till.fill(budget) for budget in (ROLLING, CLOCK, DAILY)] == [4, 3, 9]
        assert till.fill(SHARED, cost=ONE_HIGH) == 5
        assert till.state(CLOCK).under_way == 0
        self.shop.close()


def test_no_provider_sees_more_than_a_limit(
    opening: Callable[[FakeClock], Shop],
) -> None:
    run_state_machine_as_test(
        lambda: Nodes(opening),  # type: ignore[arg-type] # a factory will do
        settings=settings(max_examples=30, stateful_step_count=30, deadline=None),
    )


def test_nor_if_what_has_ended_is_written_at_the_last_moment(tmp_path: Path) -> None:
    numbers = itertools.count()

    def opening(clock: FakeClock) -> Shop:
        return LateSqliteShop(clock, tmp_path / f"state{next(numbers)}.db")

    run_state_machine_as_test(
        lambda: Nodes(opening),  # type: ignore[arg-type] # a factory will do
        settings=settings(max_examples=20, stateful_step_count=30, deadline=None),
    )
