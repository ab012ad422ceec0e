"""What one class of clients leaves of a limit to the other.

Clients of high priority are one class, all others the other. Each can count on its part
as far as it has lately asked for it; what it has not asked for is anybody's. So a class
is held to the limit less that, by a counter of its own beside the one of all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import attrs

from tproxy.core.leases import Shares, ShareState
from tproxy.core.windows import seconds_until
from tproxy.state.counting import Counter
from tproxy.state.moments import Moment


def part_of(amount: int, share: float) -> int:
    """In whole requests, a half rounded up."""
    return math.floor(amount * share + 0.5)


@attrs.define(eq=False)
class Demand:
    """What was asked for, to be had or not: the most of this span and the last.

    A span is as long as the window, and begins with the first to ask after another. So
    what is asked for is remembered for one window at least, and for two at most.
    """

    seconds: float
    end: float = -math.inf  # of this span, a moment of the steady clock
    asked: int = 0
    before: int = 0

    def add(self, amount: int, now: float) -> None:
        if now >= self.end:
            follows = now < self.end + self.seconds
            self.before = self.asked if follows else 0
            self.end = self.seconds + (self.end if follows else now)
            self.asked = 0
        self.asked += amount

    def within(self, now: float) -> int:
        """What was asked for in this span."""
        return self.asked if now < self.end else 0

    def lately(self, now: float) -> int:
        if now < self.end:
            return max(self.asked, self.before)
        return self.asked if now < self.end + self.seconds else 0

    def to_come(self, now: float) -> Iterator[tuple[int, float]]:
        """What it will be if nobody asks, and in how many seconds; now at first."""
        yield self.lately(now), 0.0
        for moment in (self.end, self.end + self.seconds):
            if now < moment:
                yield self.lately(moment), seconds_until(moment, now)


@attrs.define(eq=False)
class Split:
    """One limit's counters and demands, by class: of the rest, and of high priority."""

    counters: tuple[Counter, Counter]
    demands: tuple[Demand, Demand]

    def shares(self, usable: int, share: float, now: Moment) -> Shares:
        high = part_of(usable, share)
        rest, first = (
            ShareState(part, counter.taken(now), demand.lately(now.steady))
            for part, counter, demand in zip(
                (usable - high, high), self.counters, self.demands, strict=True
            )
        )
        return Shares(first, rest)


def bound(usable: int, share: float, asked: int, amount: int, *, high: bool) -> int:
    """What all of a class may have, of which `amount` more is wanted.

    `asked` is what the other class asks for. What is larger than the part of its own
    class would never fit while others ask, so it goes when it is alone in its class.
    """
    part = part_of(usable, share)
    own, kept = (part, usable - part) if high else (usable - part, part)
    most = usable - min(kept, asked)
    return max(most, amount) if own else most
