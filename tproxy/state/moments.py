"""A moment as several clocks see it.

A calm clock goes on as the steady one does, and believes a jump of the wall clock where
it is small, as time services make them; where it is large, as after a night asleep; and
else once it has lasted for a while. Days that have to begin by both clocks neither end
early nor hold twice their limit, whichever of the two was right.
"""

from __future__ import annotations

import attrs

from tproxy.core.values import value

_SMALL = 60.0  # seconds
_LARGE = 7_200.0
_LASTING = 7_200.0


@value
class Moment:
    """In seconds; `steady` never goes back, `wall` and `calm` count from the epoch."""

    steady: float
    wall: float
    calm: float


@attrs.define(eq=False)
class Calm:
    """Makes moments of a steady and a wall clock's time."""

    _ahead: float | None = None  # of the steady clock
    _doubtful_since: float | None = None

    def moment(self, steady: float, wall: float) -> Moment:
        """The moment, without having seen it."""
        ahead = self._ahead
        if ahead is None or -_SMALL <= wall - steady - ahead <= _SMALL:
            return Moment(steady, wall, wall)
        if self._believes(steady, wall, ahead):
            return Moment(steady, wall, wall)
        return Moment(steady, wall, steady + ahead)

    def see(self, steady: float, wall: float) -> Moment:
        """The moment, which counts for what a jump is and how long it has lasted."""
        ahead = self._ahead
        if ahead is not None and -_SMALL <= wall - steady - ahead <= _SMALL:
            self._ahead, self._doubtful_since = wall - steady, None
            return Moment(steady, wall, wall)
        moment = self.moment(steady, wall)
        if moment.calm == wall:
            self._ahead, self._doubtful_since = wall - steady, None
        elif self._doubtful_since is None:
            self._doubtful_since = steady
        return moment

    def is_news(self, moment: Moment) -> bool:
        """Whether it is the first, or to see it begins a doubt, or ends one."""
        if self._ahead is None:
            return True
        return (moment.calm == moment.wall) is (self._doubtful_since is not None)

    def _believes(self, steady: float, wall: float, ahead: float) -> bool:
        if abs(wall - steady - ahead) > _LARGE:
            return True
        since = self._doubtful_since
        return since is not None and steady - since >= _LASTING
