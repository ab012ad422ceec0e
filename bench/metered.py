"""Simulated accounts of a provider, whose limits are real.

Each counts what arrives, at the moment it arrives, and refuses what is too much. How it
counts is its own affair, as with providers: the daemon is told a window, not this.
"""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections.abc import Sequence

import attrs

from bench.upstream import Provider
from bench.wire import Plan

LIMIT, SECONDS = 20, 2.0  # requests, and the length of the window
_JITTER = 0.02  # seconds on the way, at most
_OFFSET = 0.7  # seconds
_REFUSAL = b'{"error":{"message":"Rate limit reached","type":"rate_limit_error"}}'
_REFUSED = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: %d\r\n\r\n%s"


@attrs.define(eq=False)
class Account:
    """Counts requests in every span of `SECONDS`. `taken` are moments of arrival."""

    taken: list[float] = attrs.field(factory=list)
    refused: int = 0

    def arrives(self, now: float) -> bool:
        """Whether a request is taken that arrives now."""
        if self.fits(now):
            self.taken.append(now)
            return True
        self.refused += 1
        return False

    def fits(self, now: float) -> bool:
        return self._since(now - SECONDS) < LIMIT

    def _since(self, moment: float) -> int:
        return len(self.taken) - bisect_right(self.taken, moment)


class FixedAccount(Account):
    """Counts in windows that begin at moments of its own."""

    def fits(self, now: float) -> bool:
        return self._since((now - _OFFSET) // SECONDS * SECONDS + _OFFSET) < LIMIT


@attrs.define(eq=False)
class BucketAccount(Account):
    """Has a bucket that fills up all the time, and is full at the moment `full`."""

    full: float = 0.0

    def fits(self, now: float) -> bool:
        full = max(self.full, now) + SECONDS / LIMIT
        if full > now + SECONDS + 1e-9:
            return False
        self.full = full
        return True


@attrs.define(eq=False)
class Line(Provider):
    """A connection to an account."""

    _account: Account = attrs.field(kw_only=True)

    def data_received(self, data: bytes) -> None:
        self._body.append(self._reader.feed(data))
        if self._reader.done:
            plan = Plan.of(b"".join(self._body))
            self._body = []
            late = random.uniform(0, _JITTER)
            self._timer = self._loop.call_later(late, self._arrive, plan)

    def _arrive(self, plan: Plan) -> None:
        if self._account.arrives(time.monotonic()):
            self._timer = self._loop.call_later(plan.delay, self._answer, plan)
        else:
            self._timer = None
            self.transport.write(_REFUSED % (len(_REFUSAL), _REFUSAL))


def most_in_any_span(moments: Sequence[float], seconds: float = SECONDS) -> int:
    """The moments in order; how many at most are less than `seconds` apart."""
    ends = (bisect_right(moments, at + seconds - 1e-9) for at in moments)
    return max((end - start for start, end in enumerate(ends)), default=0)
