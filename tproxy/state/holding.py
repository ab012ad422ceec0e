"""What this node has under way, kept known to Redis."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterable
from typing import Any

import attrs

from tproxy.core.budget import Cost, Outcome
from tproxy.core.leases import LEASE_SECONDS, Lease, LeaseId
from tproxy.core.state import Clock
from tproxy.core.windows import HOUR
from tproxy.state.held import Held, by_budget, portions
from tproxy.state.remote import Remote

_REMEMBERED = HOUR  # for which a lease is known there, expired or not


@attrs.define(eq=False)
class Holding:
    """Leases from their beginning to the moment at which Redis knows of their end.

    Redis may lose one, as when a replica takes over that was behind. That shows when it
    is extended or ended, and then it is entered again. Methods that ask raise `Lost`.
    """

    _remote: Remote
    _clock: Clock
    _entering: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    def taken(self, lease: Lease, since: float) -> Held:
        """Redis has given it."""
        held = Held(lease, since, since + _REMEMBERED)
        self._remote.held[lease.id] = held
        return held

    def lent(self, lease: Lease) -> None:
        """It was given without Redis."""
        since = self._clock.steady()
        self._remote.held[lease.id] = Held(lease, since, -math.inf, lent=True)

    def split(self, held: Held, part: Lease, rest: Lease) -> None:
        """It goes on as these two."""
        held.lease = rest
        self._remote.held[part.id] = attrs.evolve(held, lease=part)

    def find(self, lease: LeaseId) -> Held | None:
        """As long as it is not over."""
        held = self._remote.held.get(lease)
        return None if held is None or held.over else held

    def all(self) -> list[Held]:
        """Those that are not over."""
        return [held for held in self._remote.held.values() if not held.over]

    def drop(self, held: Held) -> None:
        self._remote.held.pop(held.lease.id, None)

    async def extend(self, held: Iterable[Held], seconds: float) -> None:
        for portion in portions(held):
            now = self._clock.steady()
            told = by_budget(portion, now)
            reply = await self._remote.ask(
                "extend", tuple(told), leases=list(told.values()), seconds=seconds
            )
            for each in portion:
                if each.lease.id not in reply.said:
                    each.known_until = now + _REMEMBERED
                elif not each.over:  # else it may have ended just before
                    each.known_until = -math.inf
            await self.enter(portion)

    async def enter(self, held: Collection[Held]) -> None:
        """Those that are under way, and that Redis does not know."""
        async with self._entering:
            unknown = (each for each in held if not (each.over or self._knows(each)))
            for portion in portions(unknown):
                await self._enter(portion)

    async def end(self, held: Held, cost: Cost, outcome: Outcome | None) -> None:
        """It is over; given back, where there is no outcome. May be done again."""
        if not self._knows(held):
            async with self._entering:
                if not self._knows(held):
                    await self._enter((held,))
        lease, again = held.lease, held.ending
        held.ending = True
        now = self._clock.steady()
        served = outcome not in (None, Outcome.REFUSAL)
        said: dict[str, Any] = {"lease": lease.id, "served": served}
        said |= {"ago": held.ago(now), "ended": now - held.ended}
        reply = await self._remote.ask("settle", lease.budgets, cost, outcome, **said)
        if reply.what == "settled" and reply.said and outcome is not None and not again:
            lost = [lease.budgets[int(which) - 1] for which in reply.said]
            part = attrs.evolve(held, lease=attrs.evolve(lease, budgets=tuple(lost)))
            await self._enter((part,))
            await self._remote.ask("settle", lost, cost, outcome, **said)
        self.drop(held)

    def _knows(self, held: Held) -> bool:
        return self._clock.steady() < held.known_until

    async def _enter(self, portion: Collection[Held]) -> None:
        now = self._clock.steady()
        told = by_budget(portion, now, whole=True)
        await self._remote.ask(
            "enter", tuple(told), leases=list(told.values()), seconds=LEASE_SECONDS
        )
        for each in portion:
            each.known_until = now + _REMEMBERED
