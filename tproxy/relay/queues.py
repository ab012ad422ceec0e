"""Lines in which requests wait: by priority of their clients, then as they came."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import attrs

from tproxy.core.model import Priority

MOST_WAITING = 1_000  # in one line

_RANKS = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}


class Full(Exception):
    """The line is as long as it may be."""


@attrs.define(eq=False)
class _Line:
    waiting: list[tuple[int, int, asyncio.Future[None]]] = attrs.field(factory=list)


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
            thing: sum(not called.done() for *_, called in line.waiting)
            for thing, line in self._lines.items()
        }

    @asynccontextmanager
    async def turn(
        self,
        thing: Hashable,
        priority: Priority,
        seconds: float,
        most: int = MOST_WAITING,
    ) -> AsyncIterator[None]:
        """Wait for one's turn, which is the block. Leaving the line is cancelling.

        Raises:
            Full: `most` wait already.
            TimeoutError: it did not come in so many seconds.
        """
        line = self._lines.get(thing)
        if line is None:
            line = self._lines[thing] = _Line()
        else:
            async with asyncio.timeout(seconds):
                await self._wait(thing, line, priority, most)
        try:
            yield
        finally:
            self._next(thing, line)

    async def _wait(
        self, thing: Hashable, line: _Line, priority: Priority, most: int
    ) -> None:
        if len(line.waiting) >= most:
            line.waiting = [place for place in line.waiting if not place[2].done()]
            heapq.heapify(line.waiting)
            if len(line.waiting) >= most:
                raise Full
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (_RANKS[priority], next(self._arrivals), called)
        heapq.heappush(line.waiting, place)
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # just when it was its turn
                self._next(thing, line)
            raise  # whose place is passed over when it comes to that

    def _next(self, thing: Hashable, line: _Line) -> None:
        while line.waiting:
            *_, called = heapq.heappop(line.waiting)
            if not called.done():
                called.set_result(None)
                return
        del self._lines[thing]
