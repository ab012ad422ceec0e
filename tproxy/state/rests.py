"""What a budget has learned from a provider's 429s: to rest, and for how long."""

from __future__ import annotations

import math

import attrs

from tproxy.core.leases import LeaseId
from tproxy.core.windows import seconds_until

_FIRST_REST = 1.0  # seconds, when a provider limits us and gives no hint
_PROBED = 2.0  # seconds; a refusal would have come by then


@attrs.define(eq=False)
class Rest:
    """After a rest that we had to guess, one request probes.

    Others follow once it has ended, or has not been refused for `_PROBED` seconds.
    Moments are of the steady clock.
    """

    until: float = -math.inf
    begun: float = -math.inf
    guess: float = 0.0  # the last one, in seconds; 0 when it is forgotten
    forgotten_at: float = -math.inf
    probe: LeaseId | None = None  # the first that went out after the guess
    probed_at: float = -math.inf
    probe_until: float = -math.inf

    def wait(self, now: float) -> float:
        return seconds_until(max(self.until, self.probe_until), now)

    def begin(self, seconds: float | None, now: float, longest: float) -> None:
        """Rest for `seconds`, else for a guess of at most `longest`.

        Of requests that are refused together, only the first makes the guess grow.
        """
        if seconds is not None:
            self.until, self.begun = max(self.until, now + seconds), now
        elif not self.wait(now):
            self._forget(now)
            self.guess = min(max(2 * self.guess, _FIRST_REST), longest)
            self.until, self.begun, self.probe = now + self.guess, now, None
            self.forgotten_at = self.until + longest

    def admit(self, lease: LeaseId, now: float) -> None:
        self._forget(now)
        if self.guess and self.probe is None:
            self.probe, self.probed_at, self.probe_until = lease, now, now + _PROBED

    def ended(self, lease: LeaseId, since: float, *, served: bool) -> None:
        """A request that went out at `since` is over."""
        if self.probe is None or since < self.probed_at:
            return
        if served:
            self.guess = 0.0
        if served or lease == self.probe:
            self.probe, self.probe_until = None, -math.inf

    def _forget(self, now: float) -> None:
        if now >= self.forgotten_at:
            self.guess, self.probe = 0.0, None
