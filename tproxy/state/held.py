"""A lease as the node knows it that took it, and what it can tell Redis of that."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice

import attrs

from tproxy.core.budget import Budget
from tproxy.core.leases import Lease

_AT_ONCE = 40  # leases, some milliseconds of the server's time

Told = dict[str, list[float]]  # of each lease in a budget


@attrs.define(eq=False)
class Held:
    """A lease of this node. Moments are of the steady clock.

    `lent` is one that Redis was never told of. Until `known_until` Redis has it, or
    remembers that it has expired; unless it has lost that.
    """

    lease: Lease
    since: float
    known_until: float
    lent: bool = False
    reached: float | None = None
    ended: float = math.nan  # once it is over; may be to come, and so may `reached`
    over: bool = False  # which Redis may not know yet
    ending: bool = False  # which it may know

    def ago(self, now: float) -> float:
        """Seconds since it reached its provider; negative if that is not known yet."""
        return -1.0 if self.reached is None else now - self.reached

    def whole(self, now: float) -> list[float]:
        """All that the script has to know to enter it."""
        cost = self.lease.cost
        amounts = (cost.requests, cost.tokens, cost.spend)
        return [self.ago(now), now - self.since, float(cost.high), *amounts]


def portions(held: Iterable[Held]) -> Iterator[tuple[Held, ...]]:
    rest = iter(held)
    while portion := tuple(islice(rest, _AT_ONCE)):
        yield portion


def by_budget(
    held: Iterable[Held], now: float, *, whole: bool = False
) -> dict[Budget, Told]:
    """What there is to tell in each budget: when it was reached, or all."""
    told: dict[Budget, Told] = {}
    for each in held:
        said = each.whole(now) if whole else [each.ago(now)]
        for budget in each.lease.budgets:
            told.setdefault(budget, {})[each.lease.id] = said
    return told
