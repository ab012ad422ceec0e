"""Ports for what is remembered between requests: breakers, starts, turns; and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tproxy.core.breaker import BreakerState
from tproxy.core.failures import Failure


class Clock(Protocol):
    """Time, passed in so that tests own it."""

    def wall(self) -> float:
        """Seconds since the Unix epoch. May jump."""
        ...

    def steady(self) -> float:
        """Seconds from an arbitrary start. Never jumps or goes back."""
        ...


class Breakers(Protocol):
    """Health of candidates, by model name.

    What one is told is known here at once, and to others soon: it is not waited for.
    """

    async def resting(self, models: Sequence[str]) -> list[float]:
        """For each model, the seconds it rests still; 0 if it does not.

        For those who are about to ask one: where it is half-open, that is a turn.
        """
        ...

    async def states(self, models: Sequence[str]) -> list[BreakerState]:
        """All about each model, for whoever wants to look."""
        ...

    def asked(self, model: str) -> bool:
        """A request goes out to it now. Whether that is a probe: it is not closed."""
        ...

    def succeeded(self, model: str) -> None: ...

    def failed(self, model: str, failure: Failure) -> None: ...

    def excused(self, model: str) -> None:
        """The request ended without saying anything about health."""
        ...

    def relieve(self, model: str) -> None:
        """End its rest: it may be well again, which the next request is to prove."""
        ...


class Starts(Protocol):
    """Moments at which something may begin, by name, for all that share the store."""

    def wait(self, name: str, interval: float) -> float:
        """Seconds until the next start, as far as is known here; 0 if it may be now."""
        ...

    async def take(self, name: str, interval: float) -> float:
        """Begin now, if nothing has within `interval` seconds: 0.

        Else nothing is taken, and these are the seconds until it is worth another try.
        """
        ...

    async def give_back(self, name: str) -> None:
        """What this process has taken last did not begin."""
        ...


class Turns(Protocol):
    """Who was used last, so that equals take turns."""

    def last(self, model: str) -> int: ...

    def take(self, model: str) -> None: ...
