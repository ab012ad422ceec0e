"""One node's end of the script: the server's time and epoch, and how budgets stood."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Limit, Outcome
from tproxy.core.state import Clock
from tproxy.state.patience import within
from tproxy.state.script import (
    Busy,
    Figures,
    Lost,
    Reply,
    Script,
    Standing,
    budget_ask,
)

_TRIES = 4
_AT_ONCE = 8  # calls; more would wait for the server, and be taken for lost
_QUEUE_SECONDS = 1.0
_MOST_SEEN = 10_000
_ALIVE_EVERY = 5.0  # seconds

Remembered = (
    tuple[int, float, bool] | None
)  # counted, for how long, and whether remembered


@attrs.frozen
class Seen:
    """How a budget stood at the steady moment `at`."""

    standing: Standing
    at: float


@attrs.define(eq=False)
class Remote:
    """Asks the script, and does over what has to be asked otherwise.

    Calls wait for their turn while the server answers others; once it is silent, all
    that wait are lost with those that it did not answer. `time`, in tests, is what the
    server takes for its clock.
    """

    _script: Script
    _clock: Clock
    _time: Clock | None = None
    nodes: int = 0  # alive in the last 30 s; 0 while nobody has answered
    seen: dict[Budget, Seen] = attrs.field(factory=dict)
    _epoch: str | None = None
    _alive_at: float = -math.inf  # when the others were told
    _ahead: float | None = None  # the server's clock, of our steady one
    _silent: bool = False
    _turns: asyncio.Semaphore = attrs.field(
        factory=lambda: asyncio.Semaphore(_AT_ONCE), init=False
    )

    async def ask(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        outcome: Outcome | None = None,
        **ask: object,
    ) -> Reply:
        """Raises Lost, after twice the time of a call at most; or Busy."""
        await self._turn()
        try:
            reply = await self._answer(what, budgets, cost, outcome, ask)
        except Lost:
            self._silent = True
            raise
        else:
            self._silent = False
            return reply
        finally:
            self._turns.release()

    async def _turn(self) -> None:
        others = self._turns.locked()
        try:
            async with asyncio.timeout(_QUEUE_SECONDS):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Busy("it has too much to do") from error
        if others and self._silent:
            self._turns.release()
            raise Lost("it is silent")

    async def _answer(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost,
        outcome: Outcome | None,
        ask: dict[str, object],
    ) -> Reply:
        try:
            async with within(2 * self._script.patience):
                for _ in range(_TRIES):
                    reply = await self._once(what, budgets, cost, outcome, ask)
                    if reply is not None:
                        return reply
        except TimeoutError as error:
            raise Lost("it takes too long") from error
        raise Lost("it contradicts itself")

    def figures(self, budget: Budget, limit: Limit) -> tuple[Figures, float] | None:
        """What was seen of a limit, and how long ago."""
        seen = self.seen.get(budget)
        if seen is None:
            return None
        figures = seen.standing.limits[budget.limits.index(limit)]
        return figures, self._clock.steady() - seen.at

    async def _once(
        self,
        what: str,
        budgets: Sequence[Budget],
        cost: Cost,
        outcome: Outcome | None,
        ask: dict[str, object],
    ) -> Reply | None:
        steady = self._clock.steady()
        now = self._clock.wall() if self._ahead is None else steady + self._ahead
        said = [budget_ask(budget, cost, now, outcome) for budget in budgets]
        ask = dict(ask) if self._epoch is None else {"epoch": self._epoch, **ask}
        if cost.high:
            ask["high"] = True
        if steady - self._alive_at > _ALIVE_EVERY:
            ask["alive"] = True
        if self._time is not None:
            ask["now"] = self._time.wall()
        reply = await self._script.call(what, budgets, said, **ask)
        if reply.what == "again":
            self._ahead = float(reply.said[0]) - steady
            return None
        if reply.what == "forgotten":
            if not self.seen or await self._remind(reply.said[0]):
                self._epoch = reply.said[0]
            return None
        if "alive" in ask:
            self._alive_at = steady
        self._epoch, self.nodes, self._ahead = (
            reply.epoch,
            reply.nodes,
            reply.now - steady,
        )
        if len(self.seen) > _MOST_SEEN:  # reloads leave their own behind
            self.seen.clear()
        for budget, standing in zip(budgets, reply.standings, strict=True):
            self.seen[budget] = Seen(standing, self._clock.steady())
        return reply

    async def _remind(self, epoch: str) -> bool:
        """Tell a server that has lost its memory what we remember; whether it knows.

        Until it does, we go on in the epoch that it has forgotten, and are told so.
        """
        budgets = list(self.seen)
        heard = [list(self._remembered(budget)) for budget in budgets]
        ask: dict[str, object] = {"heard": heard, "epoch": epoch}
        return await self._once("learn", budgets, ONE, None, ask) is not None

    def _remembered(self, budget: Budget) -> Iterator[Remembered]:
        for limit in budget.limits:
            known = self.figures(budget, limit)
            if known is None or known[0].resets_in <= known[1]:
                yield None
            else:
                figures, ago = known
                yield figures.taken + figures.more, figures.resets_in - ago, True
