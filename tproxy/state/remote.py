"""One node's end of the script: the server's time and epoch, and how budgets stood."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Outcome
from tproxy.core.leases import HEARTBEAT_SECONDS, LEASE_SECONDS, LeaseId
from tproxy.core.state import Clock
from tproxy.state.held import Held, by_budget, portions
from tproxy.state.patience import Silence, within
from tproxy.state.script import (
    Busy,
    Lost,
    Reply,
    Script,
    Silent,
    Standing,
    budget_ask,
)

_TRIES = 4
_REMEMBERED_SECONDS = HEARTBEAT_SECONDS + 1.0  # by then all have told what they hold
_REMEMBERED_AT_ONCE = 100  # budgets, some milliseconds of the server's time
_GIVEN_UP = 10  # times as long as a call may take; what comes later is not done
_AT_ONCE = 8  # calls; more would wait for the server, and be taken for lost
_QUEUE_SECONDS = 1.0
_OVERTAKEN = 1.0  # seconds; an answer that is older was given by a clock set back
_MOST_SEEN = 10_000
_ALIVE_EVERY = 5.0  # seconds


@attrs.frozen
class Seen:
    """How a budget stood at the steady moment `at`; `now` by the server's clock."""

    standing: Standing
    at: float
    now: float = 0.0


@attrs.define(eq=False)
class Remote:
    """Asks the script, and does over what has to be asked otherwise.

    Calls wait for their turn while the server answers others; once it is silent, all
    that wait are lost with those that it did not answer. A server that has forgotten
    is told first what was `seen` of it, and what is `held`. `time`, in tests, is what
    the server takes for its clock.
    """

    _script: Script
    _clock: Clock
    _time: Clock | None = None
    silence: Silence = attrs.field(factory=Silence)
    nodes: int = 0  # alive in the last 30 s; 0 while nobody has answered
    seen: dict[Budget, Seen] = attrs.field(factory=dict)
    held: dict[LeaseId, Held] = attrs.field(factory=dict)
    _epoch: str | None = None
    _alive_at: float = -math.inf  # when the others were told
    _ahead: float | None = None  # the server's clock, of our steady one
    _turns: asyncio.Semaphore = attrs.field(
        factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False
    )
    _reminding: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False)

    async def ask(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        outcome: Outcome | None = None,
        **ask: object,
    ) -> Reply:
        """Raises Lost, after the time of a call at most; or Busy."""
        async with self.turn():
            return await self.ask_now(what, budgets, cost, outcome, **ask)

    async def ask_now(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        outcome: Outcome | None = None,
        **ask: object,
    ) -> Reply:
        """As `ask`, for whoever has its `turn`."""
        try:
            async with within(self._script.patience):
                return await self._answer(what, budgets, cost, outcome, ask)
        except TimeoutError as error:
            self.silence.on = True
            raise Silent("it takes too long") from error

    async def meet(self) -> None:
        """See whether it answers and knows all that we do. Raises Lost.

        There may be much to tell, so this takes as long as it takes.
        """
        async with self.turn():
            await self._answer("look", (), ONE, None, {})

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn to ask, which is the block. Raises Busy, or Silent."""
        others = self._turns.locked()
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Busy("it has too much to do") from error
        try:
            if others and self.silence.on:
                raise Silent("it is silent")
            yield
        finally:
            self._turns.release()

    async def _answer(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost,
        outcome: Outcome | None,
        ask: dict[str, object],
    ) -> Reply:
        for _ in range(_TRIES):
            asked = self._clock.steady()
            epoch = {} if self._epoch is None else {"epoch": self._epoch}
            reply = await self._call(what, budgets, cost, outcome, {**epoch, **ask})
            if reply.what == "forgotten":
                await self._remind(reply.said[0])
            elif reply.what != "again":
                self._note(reply, budgets, asked)
                return reply
        raise Lost("it contradicts itself")

    def _note(self, reply: Reply, budgets: Sequence[Budget], asked: float) -> None:
        if self._epoch is None:
            self._epoch = reply.epoch
        self.nodes = reply.nodes
        self._ahead = reply.now - asked
        if len(self.seen) > _MOST_SEEN:  # reloads leave their own behind
            self.seen.clear()
        at, now = self._clock.steady(), reply.now
        for budget, standing in zip(budgets, reply.standings, strict=True):
            before = self.seen.get(budget)
            overtaken = before is not None and now < before.now < now + _OVERTAKEN
            if not overtaken:
                self.seen[budget] = Seen(standing, at, now)

    async def _call(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost,
        outcome: Outcome | None,
        ask: dict[str, object],
    ) -> Reply:
        steady = self._clock.steady()
        if self._ahead is None:
            now = self._clock.wall()
        else:
            now = steady + self._ahead
            ask["before"] = now + _GIVEN_UP * self._script.patience
        said = [budget_ask(budget, cost, now, outcome) for budget in budgets]
        if cost.high:
            ask["high"] = True
        if steady - self._alive_at > _ALIVE_EVERY:
            ask["alive"] = True
        if self._time is not None:
            ask["now"] = self._time.wall()
        try:
            reply = await self._script.call(what, budgets, said, **ask)
        except Silent:
            self.silence.on = True
            raise
        self.silence.on = False
        if reply.what == "again":
            self._ahead = float(reply.said[0]) - steady
        elif reply.what != "forgotten" and "alive" in ask:
            self._alive_at = steady
        return reply

    async def _remind(self, epoch: str) -> None:
        """Tell a server that has lost its memory what we remember, and what we hold.

        Until it knows all, we go on in the epoch that it has forgotten, and are told
        so. What is told twice counts once.
        """
        async with self._reminding:
            if self._epoch == epoch:
                return
            seen = tuple(self.seen.items())
            for first in range(0, len(seen), _REMEMBERED_AT_ONCE):
                budgets, stood = zip(
                    *seen[first : first + _REMEMBERED_AT_ONCE], strict=True
                )
                memory = [list(self._remembered(each)) for each in stood]
                said: dict[str, object]
                said = {"remembered": memory, "seconds": _REMEMBERED_SECONDS}
                if not await self._told("remember", budgets, epoch, said):
                    return
            now = self._clock.steady()
            known = [held for held in self.held.values() if now < held.known_until]
            for each in portions(known):
                told = by_budget(each, self._clock.steady(), whole=True)
                leases = list(told.values())
                said = {"leases": leases, "seconds": LEASE_SECONDS, "remembered": True}
                if not await self._told("enter", tuple(told), epoch, said):
                    return
            self._epoch = epoch

    async def _told(
        self, what: str, budgets: Sequence[Budget], epoch: str, said: dict[str, object]
    ) -> bool:
        """Whether it has heard; it may have forgotten again. Raises Lost."""
        for _ in range(_TRIES):
            ask = {"epoch": epoch, **said}
            reply = await self._call(what, budgets, ONE, None, ask)
            if reply.what != "again":
                return reply.what != "forgotten"
        return False

    def _remembered(self, seen: Seen) -> Iterator[object]:
        """What was under way; then what was counted under each limit, and how long."""
        ago = self._clock.steady() - seen.at
        yield seen.standing.under_way if ago < LEASE_SECONDS else 0
        yield [
            (figures.taken + figures.more, figures.resets_in - ago)
            if figures.resets_in > ago
            else None
            for figures in seen.standing.limits
        ]
