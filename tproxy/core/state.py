"""Ports for what is remembered between requests: quotas, breakers, turns; and time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NewType, Protocol

import attrs

from tproxy.core.failures import Failure
from tproxy.core.quota import Pool, Room

LeaseId = NewType("LeaseId", int)


@attrs.frozen
class Lease:
    """A place taken in every window of `pools`, until settled or released."""

    id: LeaseId
    pools: tuple[Pool, ...]
    room: Room | None = None  # what is left with this place taken; see `room`


@attrs.frozen
class Denial:
    """No room. `pool` and `window` are what has to be waited for longest, in seconds.

    A pool that rests after a 429 waits for the window "rest".
    """

    pool: str
    window: str
    wait: float


class Clock(Protocol):
    """Time, passed in so that tests own it."""

    def wall(self) -> float:
        """Seconds since the Unix epoch. May jump."""
        ...

    def steady(self) -> float:
        """Seconds from an arbitrary start. Never jumps or goes back."""
        ...


class QuotaStore(Protocol):
    """Counts requests against pools. Async, since some stores are remote."""

    async def reserve(self, pools: Sequence[Pool]) -> Lease | Denial:
        """Take one request from every window of every pool, or nothing at all."""
        ...

    async def settle(self, lease: Lease) -> None:
        """The request counts, for as long as the windows say."""
        ...

    async def release(self, lease: Lease) -> None:
        """The request does not count: give its place back."""
        ...

    async def rest(self, pool: Pool, seconds: float | None) -> float:
        """The provider limits this pool against our count: admit nothing for a while.

        `seconds` is what the provider said; without it 1 s, doubled at each repeat up
        to the longest window, until one request gets through again. Release the lease
        first. Returns the seconds it will rest.
        """
        ...

    async def waits(self, pools: Sequence[Sequence[Pool]]) -> list[float]:
        """For each set of pools, the seconds until one more request fits."""
        ...

    async def room(self, pools: Sequence[Pool]) -> Room | None:
        """What is left in the tightest window; None where nothing is limited."""
        ...


class Breakers(Protocol):
    """Health of candidates, by model name."""

    async def resting(self, models: Sequence[str]) -> list[float]:
        """For each model, the seconds it rests still; 0 if it does not."""
        ...

    async def asked(self, model: str) -> None:
        """A request goes out to it now; while half-open, that is the probe."""
        ...

    async def succeeded(self, model: str) -> None: ...

    async def failed(self, model: str, failure: Failure) -> None: ...

    async def excused(self, model: str) -> None:
        """The request ended without saying anything about health."""
        ...


class Turns(Protocol):
    """Who was used last, so that equals take turns."""

    def last(self, model: str) -> int: ...

    def take(self, model: str) -> None: ...
