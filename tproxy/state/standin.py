"""Who counts while the shared store is away: nobody, everybody alone, or not at all."""

from __future__ import annotations

import enum
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import attrs

from tproxy.core.budget import Budget, Cost, Outcome, Unit
from tproxy.core.leases import CONCURRENCY, STORE, Denial, Heard, Lease, LeaseId
from tproxy.core.state import Clock
from tproxy.state.held import Held
from tproxy.state.memory_quotas import MemoryQuotas
from tproxy.state.remote import Seen

RETRY_SECONDS = 1.0  # told to those whom nobody can count
_ANY = 2**62  # as good as no limit


class OnLoss(enum.Enum):
    """What is admitted while the store is away."""

    STRICT = "strict"  # nothing
    SHARE = "share"  # this node's part of what was left
    OPEN = "open"  # everything


@attrs.define(eq=False)
class StandIn:
    """Takes the place of a store from the moment it is lost until it is found.

    Under `SHARE` a node has its part, one of `nodes`, of what was left of each limit
    when it was last `seen`; once that is over, of the limit. Places at once it keeps
    that it has, and has its part of those that were free. A node that has never met
    the store knows neither, and admits nothing. What was used is kept in `used`.
    """

    _clock: Clock
    _mode: OnLoss
    _nodes: int
    _seen: Callable[[Budget], Seen | None]
    used: dict[Budget, Cost] = attrs.field(factory=dict)
    _quotas: MemoryQuotas = attrs.field(init=False)
    _parts: dict[Budget, Budget | Denial] = attrs.field(factory=dict)
    _mine: dict[LeaseId, Lease] = attrs.field(factory=dict)
    _kept: Counter[str] = attrs.field(factory=Counter)  # places, by budget

    def __attrs_post_init__(self) -> None:
        self._quotas = MemoryQuotas(self._clock)

    async def adopt(self, held: Held) -> None:
        """It was under way when the store was lost, and keeps its place.

        What it takes counts as long as it may reach its provider.
        """
        if self._mode is not OnLoss.SHARE:
            return
        lease = held.lease
        budgets = [_unlimited(budget, held) for budget in lease.budgets]
        taken = await self._quotas.reserve(budgets, lease.cost, math.inf)
        if isinstance(taken, Lease):  # as nothing limits it
            self._mine[lease.id] = taken
            self._kept.update(budget.name for budget in budgets)

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost, name: LeaseId
    ) -> Lease | Denial:
        """The lease is called `name`, and lasts until its `end`."""
        lease = Lease(name, tuple(budgets), cost)
        if self._mode is OnLoss.OPEN:
            return lease
        if self._mode is OnLoss.STRICT or not self._nodes:
            return Denial("", STORE, RETRY_SECONDS)
        parts = [await self._part(budget) for budget in budgets]
        denials = [part for part in parts if isinstance(part, Denial)]
        if denials:
            return max(denials, key=lambda denial: denial.wait)
        mine = [part for part in parts if isinstance(part, Budget)]
        taken = await self._quotas.reserve(mine, cost, math.inf)
        if isinstance(taken, Denial):
            return taken
        self._mine[name] = taken
        return attrs.evolve(lease, rooms=taken.rooms)

    async def headroom(self, budgets: Sequence[Budget], cost: Cost) -> float | None:
        """As `QuotaStore.headroom`, of this node's part; None where nobody counts."""
        if self._mode is not OnLoss.SHARE or not self._nodes:
            return None
        parts = [await self._part(budget) for budget in budgets]
        mine = [part for part in parts if isinstance(part, Budget)]
        if len(mine) < len(parts):
            return 0.0
        [left] = await self._quotas.headroom([(mine, cost)])
        return left

    def split(self, part: Lease, rest: Lease) -> None:
        """A lease goes on as these two."""
        mine = self._mine.pop(rest.id, None)
        if mine is not None:
            names = {budget.name for budget in part.budgets}
            self._mine[part.id], self._mine[rest.id] = two = mine.split(names)
            self._quotas.split(*two)

    async def end(self, held: Held, actual: Cost, outcome: Outcome | None) -> None:
        """It was settled; or released, where there is no outcome."""
        mine = self._mine.pop(held.lease.id, None)
        if outcome is not None and held.lent:
            self.add(held.lease.budgets, actual, outcome)
        if mine is None:
            return
        if outcome is None:
            await self._quotas.release(mine)
        else:
            heard = held.ended <= self._clock.steady()
            await self._quotas.settle(mine, actual, outcome, heard=heard)

    def add(self, budgets: Iterable[Budget], cost: Cost, outcome: Outcome) -> None:
        """Remember what was used of those that count it."""
        for budget in budgets:
            if outcome in budget.counts:
                self.remember(budget, cost)

    def remember(self, budget: Budget, cost: Cost) -> None:
        """It was used, and the store does not know."""
        if cost != Cost(0):
            before = self.used.get(budget, Cost(0))
            self.used[budget] = Cost(
                before.requests + cost.requests,
                before.tokens + cost.tokens,
                before.spend + cost.spend,
            )

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        if self._mode is OnLoss.SHARE and self._nodes:
            part = await self._part(budget)
            if isinstance(part, Budget):
                return await self._quotas.rest(part, seconds)
        return RETRY_SECONDS if seconds is None else seconds

    async def _part(self, budget: Budget) -> Budget | Denial:
        """This node's part of a budget; a denial where that is nothing."""
        part = self._parts.get(budget)
        if part is None:
            part = self._parts[budget] = self._divided(budget)
            if isinstance(part, Budget):
                await self._quotas.learn(part, list(self._heard(budget)))
        return part

    def _divided(self, budget: Budget) -> Budget | Denial:
        limits = []
        for limit in budget.limits:
            amount = limit.usable // self._nodes
            if not amount:
                return Denial(budget.name, limit.label, RETRY_SECONDS)
            limits.append(attrs.evolve(limit, amount=amount, kept=0))
        most = self._places(budget)
        if most == 0:
            return Denial(budget.name, CONCURRENCY, RETRY_SECONDS)
        return attrs.evolve(budget, limits=tuple(limits), max_concurrent=most)

    def _places(self, budget: Budget) -> int | None:
        if budget.max_concurrent is None:
            return None
        seen, kept = self._seen(budget), self._kept[budget.name]
        taken = kept if seen is None else max(seen.standing.under_way, kept)
        return kept + max(budget.max_concurrent - taken, 0) // self._nodes

    def _heard(self, budget: Budget) -> Iterable[Heard]:
        seen = self._seen(budget)
        if seen is None:
            return
        ago = self._clock.steady() - seen.at
        for limit, figures in zip(budget.limits, seen.standing.limits, strict=True):
            left = max(limit.usable - figures.taken - figures.more, 0) // self._nodes
            lasts = figures.resets_in - ago
            if lasts > 0:
                yield Heard(limit.unit, limit.window, left, lasts)


def _unlimited(budget: Budget, held: Held) -> Budget:
    """To be counted in, whatever is left; no request more, once it was reached."""
    free = tuple(
        attrs.evolve(limit, amount=_ANY, kept=0)
        for limit in budget.limits
        if held.reached is None or limit.unit is not Unit.REQUESTS
    )
    return Budget(budget.name, free, counts=budget.counts)
