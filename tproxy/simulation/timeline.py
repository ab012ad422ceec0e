"""Time that passes only from one event to the next."""

from __future__ import annotations

import heapq
import itertools
import math
import types
from collections.abc import Coroutine, Generator

import attrs

Course = Coroutine[float, None, None]  # what it yields is when it goes on


@types.coroutine
def until(moment: float) -> Generator[float, None, None]:
    """Wait, within a course, for a moment of the timeline's clock."""
    yield moment


@attrs.define(eq=False)
class Timeline:
    """Runs courses of events, each from one `until` to the next, in order of moments.

    It is a `core.state.Clock` as well: both clocks show the seconds since the epoch,
    for in a simulation no clock jumps.
    """

    now: float = 0.0
    _due: list[tuple[float, int, Course]] = attrs.field(factory=list, init=False)
    _order: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def wall(self) -> float:
        return self.now

    def steady(self) -> float:
        return self.now

    def start(self, course: Course) -> None:
        """Run a course from now on."""
        try:
            moment = course.send(None)
        except StopIteration:
            return
        heapq.heappush(self._due, (moment, next(self._order), course))

    def advance(self, moment: float) -> None:
        """Let everything happen that is due by then."""
        while self._due and self._due[0][0] <= moment:
            due, _, course = heapq.heappop(self._due)
            self.now = max(self.now, due)
            self.start(course)
        if moment < math.inf:
            self.now = max(self.now, moment)
