"""What is counted in the minutes, days and months of a clock."""

from __future__ import annotations

import math

import attrs

from tproxy.core.windows import Window, bounds, seconds_until
from tproxy.state.counting import Counter
from tproxy.state.moments import Moment


@attrs.define(eq=False)
class Period:
    """A count in one of the windows that follow each other by one wall clock.

    What was placed before the steady moment `since` is none of it. What is placed at
    moments to come, `later_at` the last of them, is `later`: perhaps in the next one.
    """

    start: float = 0.0
    end: float = 0.0
    since: float = -math.inf
    count: int = 0
    later: int = 0
    later_at: float = -math.inf

    def turn(self, now: float, window: Window, steady: float, seen: float) -> None:
        """It is time: begin a new one. A clock set back moves it, count and all.

        `seen` is the steady moment at which it was not yet time: if the clock says that
        the period began before, then it has jumped.
        """
        late = now >= self.end
        self.start, self.end = bounds(window, now)
        if late:
            began = steady - (now - self.start)
            self.since = min(max(began, math.nextafter(seen, math.inf)), steady)
            self.count = self.later if self.since <= self.later_at else 0

    def put_off(self, at: float, amount: int, steady: float) -> None:
        """It is placed at a moment to come."""
        self.later = amount + (self.later if steady < self.later_at else 0)
        self.later_at = max(at, self.later_at)


@attrs.define(eq=False, kw_only=True)
class Fixed(Counter):
    """A count in two sequences of periods, by the wall clock and by the calm one.

    The larger counts, so that there is room only where both have it. Always due: what
    a wall clock says next cannot be known.
    """

    window: Window
    by_wall: Period = attrs.field(factory=Period)
    by_calm: Period = attrs.field(factory=Period)
    seen: float = -math.inf

    def refresh(self, now: Moment) -> None:
        steady, wall, calm = now.steady, now.wall, now.calm
        by_wall, by_calm = self.by_wall, self.by_calm
        if not by_wall.start <= wall < by_wall.end:
            by_wall.turn(wall, self.window, steady, self.seen)
            self.used = max(by_wall.count, by_calm.count)
        if not by_calm.start <= calm < by_calm.end:
            by_calm.turn(calm, self.window, steady, self.seen)
            self.used = max(by_wall.count, by_calm.count)
        self.seen = steady

    def place(self, at: float, amount: int, now: Moment, sent: float) -> None:
        by_wall, by_calm = self.by_wall, self.by_calm
        if at >= by_wall.since:
            by_wall.count += amount
        if at >= by_calm.since:
            by_calm.count += amount
        if at > now.steady:
            by_wall.put_off(at, amount, now.steady)
            by_calm.put_off(at, amount, now.steady)
        self.used = by_wall.count
        if by_calm.count > by_wall.count:
            self.used = by_calm.count

    def correct(self, at: float, change: int, now: Moment) -> None:
        for period in (self.by_wall, self.by_calm):
            if at >= period.since:
                period.count = max(period.count + change, 0)
        self.used = max(self.by_wall.count, self.by_calm.count)

    def ends_in(self, now: Moment) -> float:
        return self.freed_in(self.used + self.flight, now)

    def freed_in(self, over: int, now: Moment) -> float:
        """Until every period has ended that holds too much for that."""
        if over <= 0:
            return 0.0
        most, wait = self.used - over, 0.0
        by_wall, by_calm = self.by_wall, self.by_calm
        if by_wall.count > most:
            wait = seconds_until(by_wall.end, now.wall)
        if by_calm.count > most and now.calm + wait < by_calm.end:
            wait = seconds_until(by_calm.end, now.calm)
        return wait
