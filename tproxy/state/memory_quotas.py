"""Quotas in one process's memory. Exact, and gone with the process.

No method awaits, so each runs whole between two turns of the event loop: check and
take are one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import cast

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Outcome
from tproxy.core.leases import (
    LEASE_SECONDS,
    UNHEARD_SECONDS,
    BudgetState,
    Denial,
    Heard,
    Lease,
    LeaseId,
    Room,
    Want,
)
from tproxy.core.state import Clock
from tproxy.state.books import NOTHING, sizes
from tproxy.state.drift import Drifts
from tproxy.state.ledger import Ledger
from tproxy.state.moments import Calm, Moment
from tproxy.state.seeding import meet


def _ids() -> Iterator[LeaseId]:
    return cast("Iterator[LeaseId]", map(str, itertools.count()))


@attrs.define(eq=False)
class MemoryQuotas:
    """`core.leases.QuotaStore` in memory."""

    _clock: Clock
    _drifts: Drifts | None = None  # warns, if anybody is to hear it
    _ledger: Ledger = attrs.field(factory=Ledger, init=False)
    _calm: Calm = attrs.field(factory=Calm, init=False)
    _ids: Iterator[LeaseId] = attrs.field(factory=_ids, init=False)

    def __attrs_post_init__(self) -> None:
        self._now()  # what a jump is counts from here

    async def reserve(
        self,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Lease | Denial:
        ledger = self._ledger
        now, plan = self._now(), ledger.plan(budgets, high=cost.high)
        ledger.sweep(now)
        if not plan.met:
            meet(plan, now)
        wanted = sizes(cost)
        denial = ledger.denial(plan, wanted, now)
        if denial is not None:
            if plan.stakes:
                budget = ledger.in_vain(plan, denial, now)
                if budget is not None:
                    ledger.wish(budget, wanted, cost.high, now)
            return denial
        lease = next(self._ids)
        ledger.take(lease, plan, wanted, lease_seconds, now)
        return Lease(lease, plan.budgets, cost, plan.rooms(now))

    def reached(self, lease: Lease) -> None:
        now = self._now()
        self._ledger.reached(lease.id, now.steady, now)

    def split(self, part: Lease, rest: Lease) -> None:
        names = {budget.name for budget in part.budgets}
        self._ledger.split(rest.id, part.id, names, self._now())

    async def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
        *,
        heard: bool = True,
    ) -> None:
        now, used = self._now(), None if actual is None else sizes(actual)
        at = now.steady if heard else now.steady + UNHEARD_SECONDS
        self._ledger.settle(lease.id, used, outcome, at, at, now)

    async def release(self, lease: Lease) -> None:
        self._ledger.release(lease.id, self._now())

    async def extend(
        self, leases: Sequence[Lease], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        ids = [lease.id for lease in leases]
        self._ledger.extend(ids, lease_seconds, self._now())

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        return self._ledger.rest(budget, seconds, self._now())

    async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
        self._ledger.learn(budget, heard, self._now())
        if self._drifts is not None:
            self._drifts.look(budget, self._ledger.drifts(budget))

    async def waits(self, wants: Sequence[Want]) -> list[float]:
        ledger, now = self._look()
        return ledger.waits(wants, now)

    async def headroom(self, wants: Sequence[Want]) -> list[float]:
        ledger, now = self._look()
        return ledger.headroom(wants, now)

    async def room(
        self, budgets: Sequence[Budget], cost: Cost = ONE
    ) -> tuple[Room, ...]:
        ledger, now = self._look()
        plan = ledger.plan(budgets, high=cost.high)
        ledger.denial(plan, NOTHING, now)  # looks at all
        return plan.rooms(now)

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        ledger, now = self._look()
        return tuple(ledger.state(budget, now) for budget in budgets)

    def _look(self) -> tuple[Ledger, Moment]:
        now = self._now()
        self._ledger.sweep(now)
        return self._ledger, now

    def _now(self) -> Moment:
        return self._calm.see(self._clock.steady(), self._clock.wall())
