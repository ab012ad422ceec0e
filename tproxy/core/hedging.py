"""When a candidate is late, and how many requests may ask a second one for that.

"Hedged requests", as in Dean and Barroso, "The Tail at Scale" (2013). Of each category
by itself. Times are in seconds.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

import attrs

EVERY = 20  # requests of a category earn one hedge: 5 %
MOST_SAVED = 10  # hedges, for a bad moment after good ones
MOST_TIMES = 200  # remembered, the newest ones
FEWEST_TIMES = 20  # or it is not known what is late
SOONEST = 0.02  # seconds; what is quicker than that needs no help


@attrs.define(eq=False)
class Allowance:
    """One hedge for each `EVERY` requests: never more than one in twenty of all so far.

    Of any n in a row at most n / 20 + `MOST_SAVED` are hedged.
    """

    requests: int = 0
    hedged: int = 0
    _saved: int = 0  # requests that no hedge was asked for yet

    @property
    def left(self) -> int:
        """Hedges that may be asked now."""
        return self._saved // EVERY

    def earn(self) -> None:
        """A request has come that might be hedged."""
        self.requests += 1
        self._saved = min(self._saved + 1, MOST_SAVED * EVERY)

    def take(self) -> bool:
        """Take one hedge; False: there is none."""
        if not self.left:
            return False
        self.hedged += 1
        self._saved -= EVERY
        return True

    def give_back(self) -> None:
        """Nobody was asked after all."""
        self.hedged -= 1
        self._saved = min(self._saved + EVERY, MOST_SAVED * EVERY)


@attrs.define(eq=False)
class Lately:
    """How long the last answers took to begin."""

    _times: deque[float] = attrs.field(factory=deque, init=False)
    _ranked: list[float] = attrs.field(factory=list, init=False)

    def add(self, seconds: float) -> None:
        if len(self._times) == MOST_TIMES:
            del self._ranked[bisect_left(self._ranked, self._times.popleft())]
        self._times.append(seconds)
        insort(self._ranked, seconds)

    @property
    def p95(self) -> float | None:
        """What 19 of 20 took at most; None of fewer than `FEWEST_TIMES`."""
        count = len(self._ranked)
        if count < FEWEST_TIMES:
            return None
        return self._ranked[-(-count * 19 // 20) - 1]


@attrs.define(eq=False)
class Hedging:
    """What one category has shown. `won`: hedges that began before the first did.

    Late is what takes longer than 19 of 20 of the category: so about as many are late
    as may be hedged, and a candidate that is always slow can be late too. Streams and
    whole answers are told apart; these begin when they are complete.
    """

    allowance: Allowance = attrs.field(factory=Allowance)
    won: int = 0
    _streams: Lately = attrs.field(factory=Lately)
    _wholes: Lately = attrs.field(factory=Lately)

    def began(self, seconds: float, *, stream: bool) -> None:
        """An answer took so long to begin, or would have taken longer."""
        self._lately(stream).add(seconds)

    def late_after(self, *, stream: bool) -> float | None:
        """Seconds after which a candidate is late; None while that is not known."""
        usual = self._lately(stream).p95
        return None if usual is None else max(usual, SOONEST)

    def _lately(self, stream: bool) -> Lately:
        return self._streams if stream else self._wholes
