"""The breaker of one candidate, as a function of outcomes.

closed ──(failures in a row)──► open ──(rest over)──► half-open ──(success)──► closed
                                  ▲                        │
                                  └───────(failure)────────┘   rest doubles

Nothing is ever banned: every rest ends by itself, and one live request then probes.
Moments and rests are in seconds of one steady clock.
"""

from __future__ import annotations

import attrs

from tproxy.core.failures import Rest


@attrs.frozen
class BreakerPolicy:
    """`threshold` failures in a row open; the first rest doubles up to `max_rest`."""

    threshold: int = 5
    first_rest: float = 10.0
    max_rest: float = 300.0


@attrs.frozen
class Breaker:
    """One candidate's health. `openings` in a row without a success between them.

    `probe_until` is 0 while no probe is out. A probe that never reports back is
    forgotten when another rest has gone by. Once open, only a probe's outcome matters:
    whatever else ends now was sent before, and a burst of it must not double the rest
    with each failure.
    """

    failures: int = 0
    openings: int = 0
    open_until: float = 0.0
    probe_until: float = 0.0

    def resting_for(self, now: float) -> float:
        """Seconds until a request may go through; 0 if one may now."""
        if not self.openings:
            return 0.0
        return max(self.open_until - now, self.probe_until - now, 0.0)

    def asked(self, now: float, policy: BreakerPolicy) -> Breaker:
        """After a request was let through: while half-open, it is the only one."""
        if not self.openings:
            return self
        return attrs.evolve(self, probe_until=now + self._rest(policy))

    def succeeded(self) -> Breaker:
        return self if self._waits_for_probe() else CLOSED

    def excused(self) -> Breaker:
        """After a request that told nothing about health: its probe is free again."""
        return attrs.evolve(self, probe_until=0.0) if self.openings else self

    def failed(self, rest: Rest, now: float, policy: BreakerPolicy) -> Breaker:
        if rest is Rest.NONE:
            return self.excused()
        if self._waits_for_probe():
            return self
        failures = self.failures + 1
        opens = rest is Rest.AT_ONCE or self.openings or failures >= policy.threshold
        if not opens:
            return attrs.evolve(self, failures=failures)
        opened = Breaker(failures, self.openings + 1)
        return attrs.evolve(opened, open_until=now + opened._rest(policy))

    def _waits_for_probe(self) -> bool:
        return self.openings > 0 and not self.probe_until

    def _rest(self, policy: BreakerPolicy) -> float:
        doubled = policy.first_rest * 2.0 ** min(self.openings - 1, 30)
        return min(doubled, policy.max_rest)


CLOSED = Breaker()
