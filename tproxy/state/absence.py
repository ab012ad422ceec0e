"""What is done while Redis does not answer, and when it does again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from tproxy.core.budget import Budget, Cost, Outcome
from tproxy.core.events import Notice, Observer
from tproxy.core.leases import LEASE_SECONDS, Denial, Lease, LeaseId
from tproxy.core.state import Clock
from tproxy.state.held import Held
from tproxy.state.holding import Holding
from tproxy.state.remote import Remote
from tproxy.state.script import Busy, Lost
from tproxy.state.standin import OnLoss, StandIn

_LOSSES = 3  # in a row, after which Redis is away
_PROBE_SECONDS = 0.5
_CLOSING = 0.1
_MOST_OWED = 10_000
_SPARED_AT_ONCE = 40  # budgets, some milliseconds of the server's time

Owed = Callable[[], Awaitable[object]]  # raises Lost


@attrs.define(eq=False)
class Absence:
    """A breaker in front of Redis, the stand-in behind it, and what Redis is owed.

    After the first call that failed it is tried in the background, until it answers;
    then it is told first what was used without it, what is under way, and what could
    not be said before.
    """

    _remote: Remote
    _holding: Holding
    _clock: Clock
    _observer: Observer
    _mode: OnLoss
    _losses: int = attrs.field(default=0, init=False)
    _why: str = attrs.field(default="it is silent", init=False)
    _stand_in: StandIn | None = attrs.field(default=None, init=False)
    _owed: deque[Owed] = attrs.field(
        factory=lambda: deque(maxlen=_MOST_OWED), init=False
    )
    _mending: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _telling: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    @property
    def away(self) -> bool:
        """Redis is not to be asked by any request: it is silent.

        Nor is it while a part of what it has left is given away here: by both it would
        be given twice.
        """
        sharing = self._mode is OnLoss.SHARE and self._stand_in is not None
        return sharing or self._gone or self._remote.silence.on

    @property
    def _gone(self) -> bool:
        return self._losses >= _LOSSES

    async def close(self) -> None:
        if self._telling:
            await asyncio.wait(self._telling, timeout=_CLOSING)
        while self._mending is not None and not self._mending.done():
            self._mending.cancel()  # which redis-py may swallow, and go on
            await asyncio.wait([self._mending], timeout=_CLOSING)

    def suspect(self) -> None:
        """One more loss will do."""
        self._losses = _LOSSES - 1

    def lost(self, error: Lost) -> None:
        """A call has failed."""
        if isinstance(error, Busy):
            return
        self._why = str(error)
        self.missed()

    def missed(self) -> None:
        """A request had to do without."""
        self._losses += 1
        if self._losses == _LOSSES:
            said = {"mode": self._mode.value, "why": self._why}
            self._observer.emit(Notice("error", "Redis is away", said))
        self._begin_mending()

    def answered(self) -> None:
        if not self._gone:
            self._losses = 0

    def owe(self, work: Owed) -> None:
        """Have it done soon, or when Redis is back."""
        self._owed.append(work)
        self._begin_mending()

    async def tell(self, work: Owed) -> None:
        """Have it done now, or else when Redis is back.

        Also where whoever waits for that is cancelled: a client may leave meanwhile,
        and what it held would stay taken.
        """
        telling = self._begin(work)
        if telling is not None:
            await asyncio.shield(telling)

    def _begin(self, work: Owed) -> asyncio.Task[None] | None:
        if self.away:
            self.owe(work)
            return None
        telling = asyncio.create_task(self._tell(work))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        return telling

    async def _tell(self, work: Owed) -> None:
        try:
            await work()
        except Lost as error:
            self.lost(error)
            self.owe(work)

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost, name: LeaseId
    ) -> Lease | Denial:
        """As the declared mode has it."""
        stand_in = await self._standing_in()
        taken = await stand_in.reserve(budgets, cost, name)
        if isinstance(taken, Lease):
            self._holding.lent(taken)
        return taken

    async def headroom(self, budgets: Sequence[Budget], cost: Cost) -> float | None:
        """As it is here; None where Redis counts, or nobody."""
        if self._stand_in is None or not self.away:
            return None
        return await self._stand_in.headroom(budgets, cost)

    async def taken(self, held: Held) -> None:
        """Redis has given it all the same, after others had to do without."""
        if self._stand_in is not None:
            await self._stand_in.adopt(held)

    def split(self, held: Held, part: Lease, rest: Lease) -> None:
        """It goes on as these two."""
        self._holding.split(held, part, rest)
        if self._stand_in is not None:
            self._stand_in.split(part, rest)
        if not held.lent:
            said: dict[str, Any] = {"lease": rest.id, "part": part.id}
            said |= {"ago": 0.0, "ended": 0.0, "served": False}
            ask = self._remote.ask
            self._begin(lambda: ask("split", part.budgets, Cost(0), **said))

    async def end(self, held: Held, cost: Cost, outcome: Outcome | None) -> None:
        """It was settled; or released, where there is no outcome."""
        if self._stand_in is not None:
            await self._stand_in.end(held, cost, outcome)
        if held.lent:
            self._holding.drop(held)
        else:
            await self.tell(lambda: self._holding.end(held, cost, outcome))

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        stand_in = await self._standing_in()
        return await stand_in.rest(budget, seconds)

    async def _standing_in(self) -> StandIn:
        """Nothing is waited for here."""
        if self._stand_in is None:
            self._stand_in = StandIn(
                self._clock, self._mode, self._remote.nodes, self._remote.seen.get
            )
            for held in self._holding.all():
                await self._stand_in.adopt(held)
        return self._stand_in

    def _begin_mending(self) -> None:
        if self._mending is None or self._mending.done():
            self._mending = asyncio.create_task(self._mend())

    async def _mend(self) -> None:
        while not await self._found():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(_PROBE_SECONDS)
        if self._gone:
            self._observer.emit(Notice("info", "Redis is back"))
        self._losses = 0

    async def _found(self) -> bool:
        """Whether it answers, and knows all that was done without it."""
        try:
            await self._remote.meet()
            if self._gone:
                await self._take_up()
            await self._settle_up()
        except Lost as error:
            self.lost(error)
            return False
        return True

    async def _take_up(self) -> None:
        """Keep leases from expiring that nobody could extend; ours, and of others."""
        narrow = [b for b in self._remote.seen if b.max_concurrent is not None]
        for first in range(0, len(narrow), _SPARED_AT_ONCE):
            portion = narrow[first : first + _SPARED_AT_ONCE]
            await self._remote.ask("look", portion, spare=True)
        known = [held for held in self._holding.all() if not held.lent]
        await self._holding.extend(known, LEASE_SECONDS)

    async def _settle_up(self) -> None:
        """Raises Lost; what was not said by then is owed still."""
        while self._stand_in is not None or self._owed:
            if self._stand_in is not None:  # it goes on until all is told
                await self._hand_over(self._stand_in)
                continue
            work = self._owed.popleft()
            try:
                await work()
            except Lost:
                self._owed.appendleft(work)
                raise

    async def _hand_over(self, stand_in: StandIn) -> None:
        """Tell Redis what was used without it, and what is under way."""
        for held in self._holding.all():
            held.lent = False
        while stand_in.used:
            budget, cost = stand_in.used.popitem()
            try:
                await self._remote.ask("add", (budget,), cost)
            except Lost:
                stand_in.remember(budget, cost)  # more may have been used meanwhile
                raise
        await self._holding.enter(self._holding.all())
        if not stand_in.used and not any(held.lent for held in self._holding.all()):
            self._stand_in = None
