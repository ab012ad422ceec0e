"""The breaker of one candidate, as a function of outcomes.

closed ──(failures)──► open ──(rest over)──► half-open ──(successes)──► closed
                         ▲                       │
                         └──────(failure)────────┘   rest doubles

Nothing is ever banned: every rest ends by itself, and one live request then probes.
Moments and rests are in seconds of one steady clock.
"""

from __future__ import annotations

import enum

import attrs

from tproxy.core.failures import Rest


@attrs.frozen
class BreakerPolicy:
    """What opens it: `threshold` failures in a row, or `share` of `volume` requests.

    The share is counted over `span` seconds from a first failure on. The first rest
    doubles up to `max_rest`, each spread by `jitter`, a share of it, so that candidates
    that fell together do not come back together. `proofs` successes close it again.
    """

    threshold: int = 5
    share: float = 0.5
    volume: int = 20
    span: float = 30.0
    first_rest: float = 10.0
    max_rest: float = 300.0
    jitter: float = 0.2
    proofs: int = 2


class State(enum.Enum):
    """Whether requests go through: all, none, or one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@attrs.frozen
class BreakerState:
    """A breaker at one moment; while it is half-open it rests for as long as it probes.

    `failures` are those in a row, `openings` those since it was closed.
    """

    state: State = State.CLOSED
    resting_for: float = 0.0  # seconds
    failures: int = 0
    openings: int = 0


@attrs.frozen
class Opening:
    """A breaker as other processes have to know it; closed where `openings` is 0.

    It rests for `rests_for` seconds more, and a probe that is out is waited for
    `probes_for`.
    """

    openings: int
    failures: int
    proofs: int
    rests_for: float
    probes_for: float


@attrs.frozen
class Breaker:
    """One candidate's health. `openings` in a row without its being closed between.

    `failures` are those in a row. While closed, `bad` of `seen` requests failed since
    `since`. `probe_until` is 0 while no probe is out; a probe that never reports
    back is forgotten when another rest has gone by. Once open, only a probe's outcome
    matters: whatever else ends now was sent before, and a burst of it must not double
    the rest with each failure.
    """

    failures: int = 0
    since: float = 0.0
    seen: int = 0
    bad: int = 0
    openings: int = 0
    proofs: int = 0
    open_until: float = 0.0
    probe_until: float = 0.0

    def resting_for(self, now: float) -> float:
        """Seconds until a request may go through; 0 if one may now."""
        if not self.openings:
            return 0.0
        return max(self.open_until - now, self.probe_until - now, 0.0)

    def state(self, now: float) -> BreakerState:
        """As it is to be seen from outside."""
        if not self.openings:
            return BreakerState(failures=self.failures)
        state = State.OPEN if now < self.open_until else State.HALF_OPEN
        return BreakerState(state, self.resting_for(now), self.failures, self.openings)

    def opening(self, now: float) -> Opening:
        """What others have to know of it."""
        rests_for = max(self.open_until - now, 0.0)
        probes_for = max(self.probe_until - now, 0.0)
        counts = (self.openings, self.failures, self.proofs)
        return Opening(*counts, rests_for, probes_for)

    @classmethod
    def of(cls, opening: Opening, now: float, policy: BreakerPolicy) -> Breaker:
        """As others have it. It rests no longer than any may."""
        if not opening.openings:
            return CLOSED
        rest = min(opening.rests_for, policy.max_rest)
        probe = min(opening.probes_for, policy.max_rest)
        return cls(
            failures=opening.failures,
            openings=opening.openings,
            proofs=opening.proofs,
            open_until=now + rest,
            probe_until=now + probe if probe > 0 else 0.0,
        )

    def relieved(self, now: float) -> Breaker:
        """With its rest over, so that the next request probes."""
        if self.open_until <= now:
            return self
        return attrs.evolve(self, open_until=now)

    def asked(self, now: float, policy: BreakerPolicy) -> Breaker:
        """After a request was let through: while half-open, it is the only one."""
        if not self.openings:
            return self
        return attrs.evolve(self, probe_until=now + self._rest(policy))

    def succeeded(self, now: float, policy: BreakerPolicy) -> Breaker:
        if not self.openings:
            if now - self.since > policy.span:
                return CLOSED
            return attrs.evolve(self, failures=0, seen=self.seen + 1)
        if not self.probe_until:
            return self
        proofs = self.proofs + 1
        if proofs >= policy.proofs:
            return CLOSED
        return attrs.evolve(
            self, failures=0, proofs=proofs, open_until=now, probe_until=0.0
        )

    def excused(self) -> Breaker:
        """After a request that told nothing about health: its probe is free again."""
        return attrs.evolve(self, probe_until=0.0) if self.openings else self

    def failed(
        self, rest: Rest, now: float, policy: BreakerPolicy, chance: float = 0.5
    ) -> Breaker:
        """After a failure. `chance`, in [0, 1), spreads the rest that may follow."""
        if rest is Rest.NONE:
            return self.excused()
        if self.openings:
            if not self.probe_until:
                return self
        else:
            counted = self._counted(now, policy)
            if not (rest is Rest.AT_ONCE or counted._is_bad(policy)):
                return counted
        opened = Breaker(self.failures + 1, openings=self.openings + 1)
        spread = 1 + policy.jitter * (2 * chance - 1)
        until = now + min(opened._rest(policy) * spread, policy.max_rest)
        return attrs.evolve(opened, open_until=until)

    def _counted(self, now: float, policy: BreakerPolicy) -> Breaker:
        """With one more failure, while closed."""
        if not self.bad or now - self.since > policy.span:
            return Breaker(self.failures + 1, now, 1, 1)
        return Breaker(self.failures + 1, self.since, self.seen + 1, self.bad + 1)

    def _is_bad(self, policy: BreakerPolicy) -> bool:
        in_row = self.failures >= policy.threshold
        enough = self.seen >= policy.volume
        return in_row or (enough and self.bad >= policy.share * self.seen)

    def _rest(self, policy: BreakerPolicy) -> float:
        doubled = policy.first_rest * 2.0 ** min(self.openings - 1, 30)
        return min(doubled, policy.max_rest)


CLOSED = Breaker()
