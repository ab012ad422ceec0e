"""Who counts while the shared store is away: nobody, everybody alone, or not at all."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence

import attrs

from tproxy.core.budget import Budget, Cost, Limit, Outcome
from tproxy.core.leases import CONCURRENCY, STORE, Denial, Heard, Lease, LeaseId
from tproxy.core.state import Clock
from tproxy.state.memory_quotas import MemoryQuotas

RETRY_SECONDS = 1.0  # told to those whom nobody can count

Left = tuple[int, float]  # of a limit, and the seconds until all of it is free again


class OnLoss(enum.Enum):
    """What is admitted while the store is away."""

    STRICT = "strict"  # nothing
    SHARE = "share"  # this node's part of what was left
    OPEN = "open"  # everything


@attrs.define(eq=False)
class StandIn:
    """Takes the place of a store from the moment it is lost until it is found.

    Under `SHARE` a budget's limits are divided by the number of `nodes`, and so is what
    `left` says was left of them when the store was lost. A node that has never met the
    store knows neither, and admits nothing. Whatever was used is kept in `used`.
    """

    _clock: Clock
    _mode: OnLoss
    _nodes: int
    _left: Callable[[Budget, Limit], Left | None]
    used: dict[Budget, Cost] = attrs.field(factory=dict)
    _quotas: MemoryQuotas = attrs.field(init=False)
    _parts: dict[Budget, Budget | Denial] = attrs.field(factory=dict)
    _leases: dict[LeaseId, tuple[Lease, Lease]] = attrs.field(factory=dict)
    _over: bool = False

    def __attrs_post_init__(self) -> None:
        self._quotas = MemoryQuotas(self._clock)

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost, lease_seconds: float, name: LeaseId
    ) -> Lease | Denial:
        """The lease is called `name`."""
        lease = Lease(name, tuple(budgets), cost)
        if self._mode is OnLoss.OPEN:
            self._lend(lease, lease)
            return lease
        if self._mode is OnLoss.STRICT or not self._nodes:
            return Denial("", STORE, RETRY_SECONDS)
        parts = [await self._part(budget) for budget in budgets]
        denials = [part for part in parts if isinstance(part, Denial)]
        if denials:
            return max(denials, key=lambda denial: denial.wait)
        mine = [part for part in parts if isinstance(part, Budget)]
        taken = await self._quotas.reserve(mine, cost, lease_seconds)
        if isinstance(taken, Lease):
            self._lend(lease, taken)
            return attrs.evolve(lease, rooms=taken.rooms)
        return taken

    def has(self, lease: Lease) -> bool:
        return lease.id in self._leases

    async def end(self, lease: Lease, actual: Cost, outcome: Outcome | None) -> None:
        """It was settled; or released, where there is no outcome."""
        _, mine = self._leases.pop(lease.id)
        if outcome is None:
            await self._quotas.release(mine)
            return
        await self._quotas.settle(mine, actual, outcome)
        self.add(lease.budgets, _beyond(actual, lease.cost, self._over), outcome)

    def hand_over(self) -> None:
        """Have what is under way count as used, now and from now on.

        For the store is about to know how much is left, and would give that again.
        """
        if not self._over:
            self._over = True
            for lease, _ in self._leases.values():
                self.add(lease.budgets, lease.cost, Outcome.ANSWER)

    def _lend(self, lease: Lease, mine: Lease) -> None:
        self._leases[lease.id] = lease, mine
        if self._over:
            self.add(lease.budgets, lease.cost, Outcome.ANSWER)

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

    async def extend(self, leases: Iterable[Lease], lease_seconds: float) -> None:
        mine = [self._leases[lease.id][1] for lease in leases if self.has(lease)]
        await self._quotas.extend(mine, lease_seconds)

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
        most = budget.max_concurrent
        if most is not None and not most // self._nodes:
            return Denial(budget.name, CONCURRENCY, RETRY_SECONDS)
        return attrs.evolve(
            budget,
            limits=tuple(limits),
            max_concurrent=None if most is None else most // self._nodes,
        )

    def _heard(self, budget: Budget) -> Iterable[Heard]:
        for limit in budget.limits:
            known = self._left(budget, limit)
            if known is not None:
                left, resets_in = known
                yield Heard(limit.unit, limit.window, left // self._nodes, resets_in)


def _beyond(actual: Cost, reserved: Cost, told: bool) -> Cost:
    """What of it the store does not know; what was too much stays counted."""
    if not told:
        return actual
    return Cost(
        max(actual.requests - reserved.requests, 0),
        max(actual.tokens - reserved.tokens, 0),
        max(actual.spend - reserved.spend, 0),
    )
