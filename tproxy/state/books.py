"""What a ledger is made of: books of budgets, plans to look at several, and leases."""

from __future__ import annotations

import math

import attrs

from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.state.counting import Counter
from tproxy.state.rests import Rest

Sizes = tuple[int, int, int]  # a cost by unit, as in `UNITS`

UNITS = tuple(Unit)
INDEX = {unit: index for index, unit in enumerate(UNITS)}


def sizes(cost: Cost) -> Sizes:
    return cost.requests, cost.tokens, cost.spend


@attrs.define(eq=False)
class Book:
    """One budget's counters, by window and unit; its leases, counted; and its rest."""

    counters: dict[tuple[str, Unit], Counter] = attrs.field(factory=dict)
    rest: Rest = attrs.field(factory=Rest)
    held: int = 0
    touched: float = -math.inf


@attrs.frozen(eq=False)
class Line:
    """One limit and its counter."""

    counter: Counter
    index: int  # of the unit
    usable: int
    limit: Limit
    budget: Budget


@attrs.frozen(eq=False)
class Plan:
    """What a request against certain budgets has to look at, gathered once."""

    budgets: tuple[Budget, ...]
    lines: tuple[Line, ...]
    books: tuple[tuple[Book, Budget], ...]
    narrow: tuple[tuple[Book, Budget, int], ...]  # those of bounded concurrency

    @property
    def unlimited(self) -> bool:
        return not self.lines and not self.narrow


@attrs.define(eq=False)
class Held:
    """A lease in the books; `at` is when the provider was known to have the request."""

    plan: Plan
    sizes: Sizes
    since: float
    expires: float
    at: float | None = None
