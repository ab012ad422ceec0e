"""What a ledger is made of: for each budget a book, with a counter for each limit."""

from __future__ import annotations

import math

import attrs

from tproxy.core.budget import Cost, Limit, Unit
from tproxy.core.windows import Kind, Window
from tproxy.state.counting import Counter, Rolling
from tproxy.state.first_use import FirstUse
from tproxy.state.periods import Fixed
from tproxy.state.rests import Rest
from tproxy.state.shares import Demand, Split

Key = tuple[str, Unit]  # of a window
Sizes = tuple[int, int, int]  # a cost by unit, as in `UNITS`

UNITS = tuple(Unit)
INDEX = {unit: index for index, unit in enumerate(UNITS)}


def sizes(cost: Cost) -> Sizes:
    return cost.requests, cost.tokens, cost.spend


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
        key = (limit.window.key, limit.unit)
        found = self.counters.get(key)
        if found is None:
            found = self.counters[key] = counter(limit.window)
        return found

    def split(self, limit: Limit) -> Split:
        key, window = (limit.window.key, limit.unit), limit.window
        found = self.splits.get(key)
        if found is None:
            counters = counter(window), counter(window)
            demands = Demand(window.seconds), Demand(window.seconds)
            found = self.splits[key] = Split(counters, demands)
        return found
