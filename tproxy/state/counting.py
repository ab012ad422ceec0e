"""What is counted in one window, in one unit.

A request counts in two steps. While it is in flight, it counts in whichever window is
on, for the provider may see it at any moment. Once it is known to have reached the
provider, it is placed in time; and what it cost in truth corrects it there. Its tokens
and its cost are in flight until it has ended: some providers count them as they are
produced, others then.

Places are moments of the steady clock, and may be to come. Whatever is not known
exactly errs to the later moment and to the larger number.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import attrs

from tproxy.core.windows import seconds_until
from tproxy.state.moments import Moment

_MOST_PLACES = 512
_GRAINS = 256  # a window's log is that fine at least, and exact while it is short


@attrs.define(eq=False)
class Counter:
    """What is common to all kinds of window.

    `used` is what has its place in the window as of the last `refresh`, which has
    something to do from `due` on. `extra` is what the provider counts more than we do,
    believed until `extra_until`. Once `met`, it knows what was used before it was made.
    """

    seconds: float
    used: int = 0
    flight: int = 0
    due: float = -math.inf
    extra: int = 0
    extra_until: float = -math.inf
    heard_at: float = -math.inf
    drift: int = 0
    met: bool = False

    def refresh(self, now: Moment) -> None:
        """Let go of what the window no longer holds."""
        raise NotImplementedError

    def place(self, at: float, amount: int, now: Moment, sent: float) -> None:
        """Count `amount` from the moment `at` on, after a `refresh`.

        It was sent at the moment `sent`, and taken since.
        """
        raise NotImplementedError

    def correct(self, at: float, change: int, now: Moment) -> None:
        """Of what was placed at `at`, after a `refresh`: it was more, or less."""
        raise NotImplementedError

    def take_back(self, at: float, amount: int, now: Moment) -> None:
        """All of what was placed at `at`, after a `refresh`: it does not count."""
        self.correct(at, -amount, now)

    def ends_in(self, now: Moment) -> float:
        """Seconds until all will have gone; what is in flight counts from now on."""
        raise NotImplementedError

    def freed_in(self, over: int, now: Moment) -> float:
        """Seconds until `over` less is used. What is in flight counts from now on."""
        if over <= 0:
            return 0.0
        return self.ends_in(now)

    def more(self, steady: float) -> int:
        return self.extra if steady < self.extra_until else 0

    def taken(self, now: Moment) -> int:
        if self.due <= now.steady:
            self.refresh(now)
        return self.used + self.flight + self.more(now.steady)

    def wait(self, amount: int, usable: int, now: Moment) -> float:
        """Seconds until `amount` fits, after a `refresh`; infinite if it never does."""
        if amount > usable:
            return math.inf
        over = self.used + self.flight + amount - usable
        without = self.freed_in(over, now)
        more = self.more(now.steady)
        if not more:
            return without
        heard = seconds_until(self.extra_until, now.steady)
        return min(self.freed_in(over + more, now), max(without, heard))

    def resets_in(self, now: Moment) -> float:
        """Seconds until all is free again, if nobody asks meanwhile."""
        ends = self.ends_in(now)
        if not self.extra or not self.more(now.steady):
            return ends
        return max(ends, seconds_until(self.extra_until, now.steady))


@attrs.define(eq=False)
class Log(Counter):
    """Places in order, each of which counts for the window's length."""

    moments: list[float] = attrs.field(factory=list)
    amounts: list[int] = attrs.field(factory=list)

    def ends_in(self, now: Moment) -> float:
        if self.flight:
            return self.lasts(now)
        for at, amount in zip(
            reversed(self.moments), reversed(self.amounts), strict=True
        ):
            if amount:
                return seconds_until(at + self.seconds, now.steady)
        return 0.0

    def freed_in(self, over: int, now: Moment) -> float:
        if over <= 0:
            return 0.0
        for at, amount in zip(self.moments, self.amounts, strict=True):
            over -= amount
            if over <= 0:
                return seconds_until(at + self.seconds, now.steady)
        return self.lasts(now)

    def lasts(self, now: Moment) -> float:
        """Seconds for which counts what is placed now."""
        return self.seconds


@attrs.define(eq=False)
class Rolling(Log):
    """A log of all, exact in every span of the window's length.

    When it gets long, places within a 256th of the window become one, the latest.
    """

    gone: float = -math.inf  # the last place that was let go of

    def refresh(self, now: Moment) -> None:
        moments, count = self.moments, 0
        while count < len(moments) and moments[count] + self.seconds <= now.steady:
            count += 1
        if count:
            self.gone = moments[count - 1]
            self.used -= sum(self.amounts[:count])
            del moments[:count], self.amounts[:count]
        self.due = moments[0] + self.seconds if moments else math.inf

    def place(self, at: float, amount: int, now: Moment, sent: float) -> None:
        moments = self.moments
        if not amount or at <= self.gone or at + self.seconds <= now.steady:
            return
        self.used += amount
        if not moments or at > moments[-1]:
            moments.append(at)
            self.amounts.append(amount)
            if len(moments) > _MOST_PLACES:
                self._compact()
        else:
            index = bisect_left(moments, at)
            if moments[index] == at:
                self.amounts[index] += amount
            else:
                moments.insert(index, at)
                self.amounts.insert(index, amount)
        self.due = moments[0] + self.seconds

    def lately(self, seconds: float, now: Moment) -> int:
        """What was used in the last `seconds`, which are no more than its own."""
        return sum(self.amounts[bisect_left(self.moments, now.steady - seconds) :])

    def correct(self, at: float, change: int, now: Moment) -> None:
        index = bisect_left(self.moments, at)
        if index == len(self.moments):
            self.place(at, change, now, at)
        elif at > self.gone and at + self.seconds > now.steady:
            self.used += change
            self.amounts[index] += change

    def _compact(self) -> None:
        grain = self.seconds / _GRAINS
        moments, amounts = [self.moments[0]], [self.amounts[0]]
        for at, amount in zip(self.moments[1:], self.amounts[1:], strict=True):
            if at // grain == moments[-1] // grain:
                moments[-1] = at
                amounts[-1] += amount
            else:
                moments.append(at)
                amounts.append(amount)
        self.moments, self.amounts = moments, amounts
