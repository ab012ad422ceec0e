"""What a request takes from its client's own limits: once, however many are asked."""

from __future__ import annotations

import attrs

from tproxy.core.budget import Budget, Cost, Outcome
from tproxy.core.leases import Lease, QuotaStore
from tproxy.core.upstream import Usage
from tproxy.relay.cost import Purse
from tproxy.relay.leases import OpenLeases


@attrs.define(eq=False)
class Fare:
    """Taken with what the first candidate costs, in one lease.

    Where that one fails or is outrun, it goes on as a lease of its own, so that nobody
    takes its place meanwhile. Who answers settles it; where nobody does, it is used if
    any provider has worked for it.
    """

    _quotas: QuotaStore
    _open: OpenLeases
    _names: frozenset[str]  # of the client's budgets
    _within: Lease | None  # of the first candidate
    _lease: Lease | None = attrs.field(default=None, init=False)
    _used: bool = attrs.field(default=False, init=False)

    def left_of(self, purse: Purse) -> tuple[Budget, ...]:
        """All that asking one more candidate takes from."""
        paid = self._names & purse.once
        return tuple(budget for budget in purse.budgets if budget.name not in paid)

    def after(self, lease: Lease, outcome: Outcome | None, *, others: bool) -> Lease:
        """An attempt is over: what of its lease ends now, with such an outcome.

        That is all of it, unless `others` may be asked and it holds this.
        """
        self._used |= outcome in (Outcome.ANSWER, Outcome.ERROR)
        if lease is not self._within or not others:
            return lease
        self._within = None
        self._lease, rest = lease.split(self._names)
        self._open.add(self._lease)
        self._quotas.split(self._lease, rest)
        return rest

    async def answered(self, purse: Purse, usage: Usage | None) -> None:
        """It paid for an answer, unless it did so along with the first candidate's."""
        if self._lease is not None:
            actual = purse.actual(usage, self._lease.cost)
            await self._end(self._lease, actual, Outcome.ANSWER)

    async def end(self) -> None:
        """Nobody is asked any more."""
        if self._lease is not None:
            await self._end(self._lease, None, Outcome.ERROR)

    async def _end(self, lease: Lease, actual: Cost | None, outcome: Outcome) -> None:
        self._lease = None
        self._open.remove(lease)
        if self._used:
            await self._quotas.settle(lease, actual, outcome)
        else:
            await self._quotas.release(lease)
