"""What a ledger is made of: for each budget a book, with a counter for each limit."""

from __future__ import annotations

import math

import attrs

from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.leases import BudgetState, LimitState, Shares, Source
from tproxy.core.windows import Kind, Window
from tproxy.state.counting import Counter, Rolling
from tproxy.state.first_use import FirstUse
from tproxy.state.moments import Moment
from tproxy.state.periods import Fixed
from tproxy.state.rests import Rest
from tproxy.state.shares import Demand, Split

Key = tuple[str, Unit]  # of a window
Sizes = tuple[int, int, int]  # a cost by unit, as in `UNITS`

NOTHING: Sizes = (0, 0, 0)
UNITS = tuple(Unit)
INDEX = {unit: index for index, unit in enumerate(UNITS)}


def sizes(cost: Cost) -> Sizes:
    return cost.requests, cost.tokens, cost.spend


def key_of(limit: Limit) -> Key:
    return limit.window.key, limit.unit


def counter(window: Window) -> Counter:
    """An empty one."""
    if window.kind.fixed:
        return Fixed(seconds=window.seconds, window=window)
    kind = Rolling if window.kind is Kind.ROLLING else FirstUse
    return kind(window.seconds)


@attrs.define(eq=False)
class Book:
    """One budget's counters, by window and unit; its leases, counted; and its rest.

    Where it is shared, each limit is split by class besides.
    """

    counters: dict[Key, Counter] = attrs.field(factory=dict)
    rest: Rest = attrs.field(factory=Rest)
    held: int = 0
    touched: float = -math.inf
    splits: dict[Key, Split] = attrs.field(factory=dict)

    def counter(self, limit: Limit) -> Counter:
        key = key_of(limit)
        found = self.counters.get(key)
        if found is None:
            found = self.counters[key] = counter(limit.window)
        return found

    def split(self, limit: Limit) -> Split:
        key, window = key_of(limit), limit.window
        found = self.splits.get(key)
        if found is None:
            counters = counter(window), counter(window)
            demands = Demand(window.seconds), Demand(window.seconds)
            found = self.splits[key] = Split(counters, demands)
        return found

    def state(self, budget: Budget, now: Moment) -> BudgetState:
        limits = tuple(self._limit(limit, budget, now) for limit in budget.limits)
        resting = self.rest.wait(now.steady)
        return BudgetState(
            budget.name, limits, self.held, budget.max_concurrent, resting
        )

    def _limit(self, limit: Limit, budget: Budget, now: Moment) -> LimitState:
        counter, share = self.counter(limit), budget.share
        taken = counter.taken(now)
        more = counter.more(now.steady)
        if self.rest.wait(now.steady):
            source, since = Source.ERROR, self.rest.begun
        elif more:
            source, since = Source.HEADER, counter.heard_at
        elif taken:
            source, since = Source.COUNTED, self.touched
        else:
            source, since = Source.DECLARED, now.steady
        return LimitState(
            limit,
            taken - more,
            max(limit.usable - taken, 0),
            counter.resets_in(now),
            source,
            max(now.steady - since, 0.0),
            counter.drift,
            None if share is None else self._shares(limit, share, now),
        )

    def _shares(self, limit: Limit, share: float, now: Moment) -> Shares:
        return self.split(limit).shares(limit.usable, share, now)
