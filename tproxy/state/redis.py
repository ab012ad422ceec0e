"""Quotas in Redis or Valkey, shared by any number of hosts. Needs `tproxy[redis]`.

A reservation is one call of one script, which checks and takes by the server's clock.
No request waits for Redis longer than 100 ms. Where a call fails, and as long as Redis
is away, a stand-in decides by the declared mode; what it admitted is told to Redis when
that is back.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Sequence
from typing import Any

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Outcome
from tproxy.core.events import Observer
from tproxy.core.leases import (
    LEASE_SECONDS,
    STORE,
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
from tproxy.core.windows import MINUTE
from tproxy.state import standing
from tproxy.state.absence import Absence, Owed
from tproxy.state.denials import Denials
from tproxy.state.drift import Drifts
from tproxy.state.holding import Holding
from tproxy.state.remote import Remote
from tproxy.state.script import Busy, Lost, Reply
from tproxy.state.standin import RETRY_SECONDS, OnLoss

_LOOKED_AT_ONCE = 100  # budgets, some milliseconds of the server's time


@attrs.define(eq=False)
class RedisQuotas:
    """`core.leases.QuotaStore` in Redis. `node` names this process among all."""

    _remote: Remote
    _clock: Clock
    _observer: Observer
    _node: str
    _on_loss: OnLoss = OnLoss.SHARE
    _ids: itertools.count[int] = attrs.field(factory=itertools.count, init=False)
    _denials: Denials = attrs.field(init=False)
    _holding: Holding = attrs.field(init=False)
    _absence: Absence = attrs.field(init=False)
    _drifts: Drifts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._drifts = Drifts(self._observer)
        self._denials = Denials(self._remote.seen, self._clock)
        self._holding = Holding(self._remote, self._clock)
        self._absence = Absence(
            *(self._remote, self._holding, self._clock, self._observer, self._on_loss)
        )

    async def start(self) -> None:
        """Meet Redis, so that no request has to. If it is away, that is known then."""
        self._absence.suspect()
        await self._try("look", ())

    async def close(self) -> None:
        await self._absence.close()

    @property
    def away(self) -> bool:
        """Redis does not count for us at this moment."""
        return self._absence.away

    async def reserve(
        self,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Lease | Denial:
        never = _never(budgets, cost)
        if never is not None:
            return never
        name = self._name()
        budgets = tuple(dict.fromkeys(budgets))
        if not budgets:
            return Lease(name, (), cost)
        if not self._absence.away:
            since = self._clock.steady()
            taking = asyncio.create_task(
                self._take(name, budgets, cost, lease_seconds, since)
            )
            taking.add_done_callback(_look_at)
            try:
                # Cancelled itself, redis-py drops its connection or goes on regardless.
                reply = await asyncio.shield(taking)
            except Busy:  # the counts are there, and whoever is not counted waits
                denied = self._denials.last(budgets, cost)
                return denied or Denial("", STORE, RETRY_SECONDS)
            except Lost:  # it may have been taken all the same
                self._absence.owe(self._releasing(name, budgets))
            except asyncio.CancelledError:

                def undo(taken: asyncio.Task[Reply | Denial]) -> None:
                    if not taken.cancelled():  # it is not the loop that ends
                        self._absence.owe(self._releasing(name, budgets))

                taking.add_done_callback(undo)
                raise
            else:
                if isinstance(reply, Denial):
                    return reply
                left = standing.rooms(budgets, reply.standings, high=cost.high)
                lease = Lease(name, budgets, cost, left)
                await self._absence.taken(self._holding.taken(lease, since))
                return lease
        else:
            self._absence.missed()
        # Of another name, as what is owed may be to give that one back.
        lent = await self._absence.reserve(budgets, cost, self._name())
        if isinstance(lent, Denial) and lent.limit == STORE:  # for its last word counts
            return self._denials.last(budgets, cost) or lent
        return lent

    def reached(self, lease: Lease) -> None:
        held = self._holding.find(lease.id)
        if held is not None:
            held.reached = self._clock.steady()

    def split(self, part: Lease, rest: Lease) -> None:
        held = self._holding.find(rest.id)
        if held is not None:
            self._absence.split(held, part, rest)

    async def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
        *,
        heard: bool = True,
    ) -> None:
        cost = lease.cost if actual is None else actual
        await self._end(lease, cost, outcome, 0.0 if heard else UNHEARD_SECONDS)

    async def release(self, lease: Lease) -> None:
        await self._end(lease, Cost(0), None)

    async def _end(
        self, lease: Lease, cost: Cost, outcome: Outcome | None, later: float = 0.0
    ) -> None:
        held = self._holding.find(lease.id)
        if held is not None:
            held.over = True
            held.ended = self._clock.steady() + later
            if held.reached is None:
                held.reached = held.ended
            await self._absence.end(held, cost, outcome)

    async def extend(
        self, leases: Sequence[Lease], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        if not self._absence.away:
            held = filter(None, (self._holding.find(lease.id) for lease in leases))
            try:
                await self._holding.extend(held, lease_seconds)
            except Lost as error:
                self._absence.lost(error)
        # So that a share is one of what is left by then, and of those who live.
        await self._look(tuple(self._remote.seen))

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        longest = max((limit.window.seconds for limit in budget.limits), default=MINUTE)
        said: dict[str, Any] = {"longest": longest}
        if seconds is not None:
            said["seconds"] = seconds
        reply = await self._try("rest", (budget,), **said)
        if reply is None:
            return await self._absence.rest(budget, seconds)
        return reply.standings[0].resting_for

    async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
        said = standing.lessons(budget, heard)
        reply = await self._try("learn", (budget,), heard=[said])
        if reply is not None:
            drifts = [figures.drift for figures in reply.standings[0].limits]
            self._drifts.look(budget, zip(budget.limits, drifts, strict=True))

    async def waits(self, wants: Sequence[Want]) -> list[float]:
        return [
            math.inf
            if _never(budgets, cost)
            else max((self._denials.wait(each, cost) for each in budgets), default=0.0)
            for budgets, cost in wants
        ]

    async def headroom(self, wants: Sequence[Want]) -> list[float]:
        seen, now = self._remote.seen, self._clock.steady()
        here = [await self._absence.headroom(*want) for want in wants]
        return [
            standing.headroom(*want, seen, now) if left is None else left
            for want, left in zip(wants, here, strict=True)
        ]

    async def room(
        self, budgets: Sequence[Budget], cost: Cost = ONE
    ) -> tuple[Room, ...]:
        seen = {b: self._remote.seen[b] for b in budgets if b in self._remote.seen}
        standings = [each.standing for each in seen.values()]
        return standing.rooms(tuple(seen), standings, high=cost.high)

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        if budgets:
            await self._look(tuple(budgets))
            self._denials.look(budgets)
        steady = self._clock.steady()
        return tuple(
            standing.state(budget, self._remote.seen.get(budget), steady)
            for budget in budgets
        )

    async def _look(self, budgets: tuple[Budget, ...]) -> None:
        for first in range(0, max(len(budgets), 1), _LOOKED_AT_ONCE):
            await self._try("look", budgets[first : first + _LOOKED_AT_ONCE])

    async def _take(
        self,
        lease: LeaseId,
        budgets: tuple[Budget, ...],
        cost: Cost,
        seconds: float,
        came: float,
    ) -> Reply | Denial:
        """Raises Lost. What others heard meanwhile, those in line need not ask for."""
        try:
            async with self._remote.turn():
                denial = self._denials.answer(budgets, cost, came)
                if denial is not None:
                    return denial
                asked = self._clock.steady()
                reply = await self._remote.ask_now(
                    "take", budgets, cost, lease=lease, seconds=seconds
                )
        except Lost as error:
            self._absence.lost(error)
            raise
        self._absence.answered()
        if reply.what == "denied":
            return self._denials.note(reply, budgets, cost, asked)
        return reply

    async def _try(
        self, what: str, budgets: Sequence[Budget], **said: Any
    ) -> Reply | None:
        if self._absence.away:
            return None
        try:
            reply = await self._remote.ask(what, budgets, **said)
        except Lost as error:
            self._absence.lost(error)
            return None
        self._absence.answered()
        return reply

    def _name(self) -> LeaseId:
        return LeaseId(f"{self._node}-{next(self._ids)}")

    def _releasing(self, lease: LeaseId, budgets: tuple[Budget, ...]) -> Owed:
        return lambda: self._remote.ask(
            "settle", budgets, Cost(0), lease=lease, ago=0, ended=0, served=False
        )


def _look_at(task: asyncio.Task[Reply | Denial]) -> None:
    """Somebody has to, once nobody waits for it any more."""
    if not task.cancelled():
        task.exception()


def _never(budgets: Sequence[Budget], cost: Cost) -> Denial | None:
    for budget in budgets:
        for limit in budget.limits:
            if cost.of(limit.unit) > limit.usable:
                return Denial(budget.name, limit.label, math.inf)
    return None
