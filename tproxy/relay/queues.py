"""Lines in which requests wait: by priority of their clients, then as they came."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial

import attrs

from tproxy.core.model import Priority

MOST_WAITING = 1_000  # in one line
LOOK_AGAIN = 0.05  # seconds; nobody tells when somebody has made room

_RANKS = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
_FEW = 16  # that have left a line are not worth the trouble to forget them


class NoTurn(Exception):
    """It has not come in time."""


class Full(NoTurn):
    """It will not: the line is as long as it may be."""


Place = tuple[int, int]  # in a line: by priority, then by arrival


@attrs.define(eq=False)
class _Line:
    """A heap of all that came, and of each rank how many of them wait still."""

    waiting: list[tuple[Place, asyncio.Future[None]]] = attrs.field(factory=list)
    ranks: list[int] = attrs.field(factory=lambda: [0] * len(_RANKS))

    def join(self, place: Place, called: asyncio.Future[None]) -> None:
        if len(self.waiting) > 2 * sum(self.ranks) + _FEW:
            self.waiting = [each for each in self.waiting if not each[1].done()]
            heapq.heapify(self.waiting)
        heapq.heappush(self.waiting, (place, called))
        self.ranks[place[0]] += 1


@attrs.define(eq=False)
class Turn:
    """Somebody's turn, until it is passed on: when its block ends, at the latest."""

    _end: Callable[[], None]
    passed: bool = attrs.field(default=False, init=False)

    def pass_on(self) -> None:
        if not self.passed:
            self.passed = True
            self._end()


@attrs.define(eq=False)
class Queues:
    """One line for each thing that is waited for. Whoever is first has its turn."""

    _lines: dict[Hashable, _Line] = attrs.field(factory=dict, init=False)
    _arrivals: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def busy(self, thing: Hashable) -> bool:
        """Whether somebody has its turn there."""
        return thing in self._lines

    def lengths(self) -> dict[Hashable, int]:
        """How many wait, for each thing where somebody has its turn."""
        return {thing: sum(line.ranks) for thing, line in self._lines.items()}

    def ahead(self, thing: Hashable, priority: Priority) -> int:
        """How many would have their turn before one that comes now."""
        line = self._lines.get(thing)
        return 0 if line is None else 1 + sum(line.ranks[: _RANKS[priority] + 1])

    def arrive(self, priority: Priority) -> Place:
        """A place in any line, behind all that were taken before."""
        return _RANKS[priority], next(self._arrivals)

    @asynccontextmanager
    async def turn(
        self, thing: Hashable, place: Place, seconds: float, most: int = MOST_WAITING
    ) -> AsyncIterator[Turn]:
        """Wait for one's turn, which is the block. Leaving the line is cancelling.

        Raises:
            Full: `most` wait already.
            NoTurn: it did not come in so many seconds.
        """
        line = self._lines.get(thing)
        if line is None:
            line = self._lines[thing] = _Line()
        else:
            try:
                async with asyncio.timeout(seconds):
                    await self._wait(thing, line, place, most)
            except TimeoutError:
                raise NoTurn from None
        turn = Turn(partial(self._next, thing, line))
        try:
            yield turn
        finally:
            turn.pass_on()

    async def _wait(
        self, thing: Hashable, line: _Line, place: Place, most: int
    ) -> None:
        if sum(line.ranks) >= most:
            raise Full
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.join(place, called)
        try:
            await called
        except asyncio.CancelledError:
            if called.cancelled():  # it is passed over when it comes to that
                line.ranks[place[0]] -= 1
            else:  # just when it was its turn
                self._next(thing, line)
            raise

    def _next(self, thing: Hashable, line: _Line) -> None:
        while line.waiting:
            (rank, _), called = heapq.heappop(line.waiting)
            if not called.done():
                line.ranks[rank] -= 1
                called.set_result(None)
                return
        del self._lines[thing]
