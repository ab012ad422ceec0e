"""When budgets have nothing left."""

from __future__ import annotations

import math

import attrs

from tproxy.core.budget import LEAST, Budget
from tproxy.core.leases import CONCURRENCY, REST, Denial, Lease, QuotaStore


@attrs.define
class Drought:
    """One budget's. Moments are in seconds since the epoch.

    `until` is when it has room again, as seen last; `seconds` is how long it had none,
    in all.
    """

    first: float
    times: int = 0
    seconds: float = 0.0
    until: float = -math.inf

    def on(self, now: float, wait: float) -> None:
        if now > self.until:
            self.times += 1
        self.seconds += max(now + wait - max(now, self.until), 0.0)
        self.until = max(self.until, now + wait)


@attrs.define(eq=False)
class Droughts:
    """Those of all budgets, by name.

    A budget is dry from the moment at which a limit has nothing left, or less than was
    asked for, until it has. How many requests are under way is not looked at.
    """

    by_name: dict[str, Drought] = attrs.field(factory=dict)
    _limits: dict[str, Budget] = attrs.field(factory=dict, init=False)

    async def taken(self, quotas: QuotaStore, lease: Lease, now: float) -> None:
        """A lease was given: does it leave anything?"""
        limited = [self._limited(b) for b in lease.budgets if b.limits]
        waits = await quotas.waits([((budget,), LEAST) for budget in limited])
        for budget, wait in zip(limited, waits, strict=True):
            if wait:
                self._dry(budget.name, now, wait)

    def denied(self, denial: Denial, now: float) -> None:
        if denial.limit not in (CONCURRENCY, REST) and denial.wait < math.inf:
            self._dry(denial.budget, now, denial.wait)

    def _limited(self, budget: Budget) -> Budget:
        """The same, with its limits alone."""
        found = self._limits.get(budget.name)
        if found is None:
            found = Budget(budget.name, budget.limits)
            self._limits[budget.name] = found
        return found

    def _dry(self, name: str, now: float, wait: float) -> None:
        drought = self.by_name.get(name)
        if drought is None:
            drought = self.by_name[name] = Drought(now)
        drought.on(now, wait)
