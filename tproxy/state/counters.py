"""What one pool remembers: a log for a rolling window, a count for a day, a rest.

Moments are in seconds of the steady clock, but for days, which go by a wall clock.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable

import attrs

from tproxy.core.quota import day_bounds
from tproxy.core.state import LeaseId

_FIRST_REST = 1.0  # seconds, when a provider limits us and gives no hint
_PROBED = 2.0  # seconds; a refusal would have come by then


def seconds_until(moment: float, now: float) -> float:
    """Seconds from `now`, 0 where it is past; added to `now` they reach `moment`."""
    wait = moment - now
    if wait <= 0:
        return 0.0
    return wait if now + wait >= moment else wait + math.ulp(max(abs(moment), abs(now)))


@attrs.define(eq=False)
class Take:
    """One request as the logs of its windows remember it; shared by all of them."""

    at: float  # steady clock
    live: bool = True


@attrs.define(eq=False)
class Rolling:
    """A log of takes: exact in every span of `seconds`."""

    seconds: int
    taken: deque[Take] = attrs.field(factory=deque)
    live: int = 0

    def add(self, take: Take) -> None:
        self.taken.append(take)
        self.live += 1

    def give_back(self, take: Take) -> None:
        """After `take` has died. Where it has left the log already, nothing changes."""
        if self.taken and take.at >= self.taken[0].at:
            self.live -= 1

    def expire(self, now: float) -> None:
        """Drop what no span that ends at `now` holds, and what was given back."""
        while self.taken and (
            self.taken[0].at + self.seconds <= now or not self.taken[0].live
        ):
            self.live -= self.taken.popleft().live

    def wait(self, now: float, limit: int) -> float:
        """Until one more than now fits; there must be `limit` takes or more."""
        alive = (take for take in self.taken if take.live)
        first = next(itertools.islice(alive, self.live - limit, None))
        return seconds_until(first.at + self.seconds, now)

    def empty_in(self, now: float) -> float:
        newest = next((take for take in reversed(self.taken) if take.live), None)
        return 0.0 if newest is None else seconds_until(newest.at + self.seconds, now)


@attrs.define(eq=False)
class Day:
    """A count since midnight, by one wall clock."""

    clock: Callable[[], float]
    zone: str
    start: float = 0.0
    end: float = 0.0
    count: int = 0
    number: int = 0  # of the day, to know whose count a take is in

    def turn(self) -> float:
        """Begin a new day when it is time; return the time.

        A clock set back moves the day, and leaves its count as it is.
        """
        now = self.clock()
        if not self.start <= now < self.end:
            if now >= self.end:
                self.count = 0
                self.number += 1
            self.start, self.end = day_bounds(now, self.zone)
        return now

    def give_back(self, number: int) -> None:
        if number == self.number:
            self.count -= 1

    def wait(self, limit: int) -> float:
        now = self.turn()
        return 0.0 if self.count < limit else seconds_until(self.end, now)

    def empty_in(self) -> float:
        return self.wait(1)


@attrs.define(eq=False)
class Rest:
    """What a provider that limits us has taught: to wait, and for how long.

    After a rest that we had to guess, one request probes. Others follow once it has
    ended, or has not been refused for `_PROBED` seconds.
    """

    until: float = -math.inf
    guess: float = 0.0  # the last one; 0 when it is forgotten
    forgotten_at: float = -math.inf
    probe: LeaseId | None = None  # the first that went out after the guess
    probe_until: float = -math.inf

    def wait(self, now: float) -> float:
        return seconds_until(max(self.until, self.probe_until), now)

    def begin(self, seconds: float | None, now: float, longest: int) -> float:
        """Rest for `seconds`, else for a guess; return the wait.

        Of requests that are refused together, only the first makes the guess grow.
        """
        if seconds is not None:
            self.until = max(self.until, now + seconds)
        elif not self.wait(now):
            self._forget(now)
            self.guess = min(max(2 * self.guess, _FIRST_REST), longest)
            self.until, self.probe = now + self.guess, None
            self.forgotten_at = self.until + longest
        return self.wait(now)

    def admit(self, lease: LeaseId, now: float) -> None:
        self._forget(now)
        if self.guess and self.probe is None:
            self.probe, self.probe_until = lease, now + _PROBED

    def ended(self, lease: LeaseId, *, served: bool) -> None:
        if self.probe is None or lease < self.probe:
            return
        if served:
            self.guess = 0.0
        if served or lease == self.probe:
            self.probe, self.probe_until = None, -math.inf

    def _forget(self, now: float) -> None:
        if now >= self.forgotten_at:
            self.guess, self.probe = 0.0, None
