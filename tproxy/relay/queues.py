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


class NoTurn(Exception):
    """It has not come in time."""


class Full(NoTurn):
    """It will not: the line is as long as it may be."""


Place = tuple[int, int]  # in a line: by priority, then by arrival


@attrs.define(eq=False)
class _Line:
    waiting: list[tuple[Place, asyncio.Future[None]]] = attrs.field(factory=list)


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
        return {
            thing: sum(not called.done() for _, called in line.waiting)
            for thing, line in self._lines.items()
        }

    def ahead(self, thing: Hashable, priority: Priority) -> int:
        """How many would have their turn before one that comes now."""
        line, last = self._lines.get(thing), _RANKS[priority]
        if line is None:
            return 0
        return 1 + sum(
            rank <= last and not called.done() for (rank, _), called in line.waiting
        )

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
        if len(line.waiting) >= most:
            line.waiting = [each for each in line.waiting if not each[1].done()]
            heapq.heapify(line.waiting)
            if len(line.waiting) >= most:
                raise Full
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(line.waiting, (place, called))
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # just when it was its turn
                self._next(thing, line)
            raise  # whose place is passed over when it comes to that

    def _next(self, thing: Hashable, line: _Line) -> None:
        while line.waiting:
            _, called = heapq.heappop(line.waiting)
            if not called.done():
                called.set_result(None)
                return
        del self._lines[thing]
