"""How slowly a request's body may arrive."""

from __future__ import annotations

import attrs

from tproxy.server.limits import Limits


@attrs.define(eq=False)
class Pace:
    """A grace period, and from then on a number of bytes a second, on average."""

    _limits: Limits
    _due: float = attrs.field(default=0.0, init=False)  # were there no further byte

    def begin(self, now: float) -> float:
        """Return how many seconds the body has, to begin with."""
        self._due = now + self._limits.body_grace_seconds
        return self._limits.body_grace_seconds

    def count(self, received: int) -> None:
        self._due += received / self._limits.body_bytes_per_second

    def excuse(self) -> float:
        """The time so far was not the client's: it gets the grace period again."""
        self._due += self._limits.body_grace_seconds
        return self._limits.body_grace_seconds

    def left(self, now: float) -> float:
        return self._due - now
