"""What is counted in windows that begin with the first request after the last.

When a request reached its provider is known only roughly: after it was sent, and before
it was heard of. So it may be unknown with which of several requests a window began, and
which of them were in the last one still. All of these count in all windows that they
may be in, and each of these windows is thought to last as long as it may.
"""

from __future__ import annotations

import math
from bisect import bisect_left

import attrs

from tproxy.core.windows import seconds_until
from tproxy.state.counting import Log
from tproxy.state.moments import Moment

_GRAINS = 256  # beginnings within such a part of the window become one, the latest


@attrs.define(eq=False)
class FirstUse(Log):
    """A log of the requests that a window may have begun with.

    Each began one, if it did, at its own of the `moments` at the latest and at its own
    of the `earliest` at the earliest. All others surely found one begun, and count with
    the last beginning before them. What is over stays, as one that counts nothing,
    until a request was sent later: before that, a window may have begun since or not.
    """

    earliest: list[float] = attrs.field(factory=list)
    idle: float = -math.inf  # the last moment at which nothing was in flight

    def refresh(self, now: Moment) -> None:
        over = 0
        while over < len(self.moments) and self._is_over(over, now.steady):
            over += 1
        if over:
            self.used -= sum(self.amounts[:over])
            earliest = min(self.earliest[:over])
            self._forget(over - 1)
            self.earliest[0], self.amounts[0] = earliest, 0
        on = self.moments[min(over, 1) :]
        self.due = on[0] + self.seconds if on else math.inf

    def place(self, at: float, amount: int, now: Moment, sent: float) -> None:
        if not amount or at + self.seconds <= now.steady:
            return
        if (not self.moments or at > self.moments[-1]) and self._may_begin(at):
            self._begin(min(sent, at), at)
        self.correct(at, amount, now)

    def correct(self, at: float, change: int, now: Moment) -> None:
        index = self._find(at)
        if index >= 0 and not self._is_over(index, now.steady):
            self.used += change
            self.amounts[index] += change

    def take_back(self, at: float, amount: int, now: Moment) -> None:
        """If a window was thought to begin with it, then any other may have."""
        self.correct(at, -amount, now)
        index = self._find(at)
        if index >= 0 and at <= self.moments[index]:
            latest = max(now.steady, self.moments[-1])
            self._forget(len(self.moments))
            if self.used:
                self.earliest.append(self.idle - self.seconds)
                self.moments.append(latest)
                self.amounts.append(self.used)
            self.refresh(now)

    def lasts(self, now: Moment) -> float:
        if self._may_begin(now.steady):
            return self.seconds
        return seconds_until(self.moments[-1] + self.seconds, now.steady)

    def _may_begin(self, at: float) -> bool:
        return not self.earliest or at >= min(self.earliest) + self.seconds

    def _begin(self, sent: float, at: float) -> None:
        earliest = min(sent, self.idle)
        if self.moments:
            earliest = max(earliest, min(self.earliest) + self.seconds)
            if self._is_over(0, sent):
                self._forget(1)
        grain = self.seconds / _GRAINS
        if self.moments and self.moments[-1] // grain == at // grain:
            self.moments[-1] = at
        else:
            self.earliest.append(earliest)
            self.moments.append(at)
            self.amounts.append(0)
        self.due = min(self.due, at + self.seconds)

    def _find(self, at: float) -> int:
        """Where it counts that was heard of at `at`; -1 if that is over."""
        index = bisect_left(self.moments, at)
        if index == len(self.moments) or self.earliest[index] > at:
            index -= 1
        return index

    def _is_over(self, index: int, at: float) -> bool:
        return self.moments[index] + self.seconds <= at

    def _forget(self, count: int) -> None:
        del self.earliest[:count], self.moments[:count], self.amounts[:count]
