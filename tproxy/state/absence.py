"""What is done while Redis does not answer, and when it does again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import attrs

from tproxy.core.budget import Budget, Cost, Limit, Outcome
from tproxy.core.events import Notice, Observer
from tproxy.core.leases import Denial, Lease, LeaseId
from tproxy.core.state import Clock
from tproxy.state.remote import Remote
from tproxy.state.script import Busy, Lost
from tproxy.state.standin import Left, OnLoss, StandIn

_LOSSES = 3  # in a row, after which Redis is away
_PROBE_SECONDS = 0.5
_CLOSING = 0.1
_MOST_OWED = 10_000

Owed = Callable[[], Awaitable[object]]  # raises Lost


@attrs.define(eq=False)
class Absence:
    """A breaker in front of Redis, the stand-in behind it, and what Redis is owed.

    After the first call that failed it is tried in the background, until it answers;
    then what was used without it is told first, and what could not be said before.
    """

    _remote: Remote
    _clock: Clock
    _observer: Observer
    _mode: OnLoss
    _losses: int = attrs.field(default=0, init=False)
    _why: str = attrs.field(default="", init=False)
    _stand_in: StandIn | None = attrs.field(default=None, init=False)
    _lent: dict[LeaseId, StandIn] = attrs.field(factory=dict, init=False)
    _owed: deque[Owed] = attrs.field(
        factory=lambda: deque(maxlen=_MOST_OWED), init=False
    )
    _mending: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _telling: set[asyncio.Task[None]] = attrs.field(factory=set, init=False)

    @property
    def away(self) -> bool:
        """Redis is not to be asked by any request.

        Nor is it while a part of what it has left is given away here: by both it would
        be given twice.
        """
        sharing = self._mode is OnLoss.SHARE and self._stand_in is not None
        return sharing or self._gone

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
        self._begin_mending()

    def missed(self) -> None:
        """A request had to do without."""
        self._losses += 1
        if self._losses == _LOSSES:
            said = {"mode": self._mode.value, "why": self._why}
            self._observer.emit(Notice("error", "Redis is away", said))

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
        if self.away:
            self.owe(work)
            return
        telling = asyncio.create_task(self._tell(work))
        self._telling.add(telling)
        telling.add_done_callback(self._telling.discard)
        await asyncio.shield(telling)

    async def _tell(self, work: Owed) -> None:
        try:
            await work()
        except Lost as error:
            self.lost(error)
            self.owe(work)

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost, seconds: float, name: LeaseId
    ) -> Lease | Denial:
        """As the declared mode has it."""
        stand_in = self._standing_in()
        taken = await stand_in.reserve(budgets, cost, seconds, name)
        if isinstance(taken, Lease):
            self._lent[name] = stand_in
        return taken

    def lent(self, lease: Lease) -> StandIn | None:
        """The stand-in that the lease is from, if it is from one."""
        return self._lent.get(lease.id)

    async def take_back(
        self, lease: Lease, cost: Cost, outcome: Outcome | None
    ) -> None:
        """It was settled; or released, where there is no outcome."""
        stand_in = self._lent.pop(lease.id)
        await stand_in.end(lease, cost, outcome)
        if stand_in is not self._stand_in:
            await self.tell(lambda: self._pay(stand_in))

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        return await self._standing_in().rest(budget, seconds)

    def _standing_in(self) -> StandIn:
        if self._stand_in is None:
            self._stand_in = StandIn(
                self._clock, self._mode, self._remote.nodes, self._left
            )
        return self._stand_in

    def _left(self, budget: Budget, limit: Limit) -> Left | None:
        known = self._remote.figures(budget, limit)
        if known is None or known[0].resets_in <= known[1]:
            return None
        figures, ago = known
        taken = figures.taken + figures.more
        return max(limit.usable - taken, 0), figures.resets_in - ago

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
            await self._remote.ask("look", ())
            await self._settle_up()
        except Lost as error:
            self.lost(error)
            return False
        return True

    async def _settle_up(self) -> None:
        """Raises Lost; what was not said by then is owed still."""
        while self._stand_in is not None or self._owed:
            if self._stand_in is not None:  # it goes on until all is told
                self._stand_in.hand_over()
                await self._pay(self._stand_in)
                self._stand_in = None
                continue
            work = self._owed.popleft()
            try:
                await work()
            except Lost:
                self._owed.appendleft(work)
                raise

    async def _pay(self, stand_in: StandIn) -> None:
        """Tell Redis what was used without it."""
        while stand_in.used:
            budget, cost = stand_in.used.popitem()
            try:
                await self._remote.ask("add", (budget,), cost)
            except Lost:
                stand_in.remember(budget, cost)  # more may have been used meanwhile
                raise
