"""The port of quotas: what a request takes is leased, and settled when it has ended."""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from typing import NewType, Protocol

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Limit, Outcome, Unit
from tproxy.core.values import value
from tproxy.core.windows import Window

LeaseId = NewType("LeaseId", str)
Want = tuple[Sequence[Budget], Cost]  # what a request would take, and from where

LEASE_SECONDS = 15.0
HEARTBEAT_SECONDS = 5.0
# Within which a provider counts what was sent to it and given up unheard: it may stand
# in a queue there, or the last of it be on its way still when we have hung up.
UNHEARD_SECONDS = 2.0

CONCURRENCY = "concurrency"
REST = "rest"
STORE = "store"


@value
class Room:
    """What is left under the tightest limit on one unit, in that unit."""

    unit: Unit
    limit: int
    left: int
    resets_in: float  # seconds until all of it is free again, if nobody asks meanwhile


@value
class Lease:
    """What `cost` has taken from `budgets`, until it is settled, released or expired.

    `rooms` is what it leaves, at most one of each unit.
    """

    id: LeaseId
    budgets: tuple[Budget, ...]
    cost: Cost
    rooms: tuple[Room, ...] = ()

    def room(self, unit: Unit = Unit.REQUESTS) -> Room | None:
        return next((room for room in self.rooms if room.unit is unit), None)

    def split(self, names: Collection[str]) -> tuple[Lease, Lease]:
        """What it holds of the budgets of these names, and the rest. Once at most."""
        part = tuple(budget for budget in self.budgets if budget.name in names)
        rest = tuple(budget for budget in self.budgets if budget.name not in names)
        name = LeaseId(self.id and f"{self.id}+")
        return Lease(name, part, self.cost), Lease(self.id, rest, self.cost, self.rooms)


@attrs.frozen
class Denial:
    """No room. `wait` is the seconds until this cost fits; infinite if it never does.

    `budget` and `limit` are what has to be waited for longest: the label of a limit,
    `CONCURRENCY` while too much is under way, `REST` after a 429. `STORE` without a
    budget means that the counts are out of reach and nothing is admitted unseen.
    """

    budget: str
    limit: str
    wait: float


class Source(enum.Enum):
    """Where a figure of what is left comes from."""

    DECLARED = "declared"  # nothing was taken yet
    COUNTED = "counted"
    HEADER = "header"  # a provider's word, where it leaves less than our count
    ERROR = "error"  # a provider's 429


@attrs.frozen
class Heard:
    """What a reply's headers say of one of the budget's limits; seconds from now."""

    unit: Unit
    window: Window
    left: int
    resets_in: float

    @property
    def seconds(self) -> float:
        """`resets_in`, within reason."""
        longest = 2 * self.window.seconds
        return min(self.resets_in, longest) if self.resets_in > 0 else 0.0


@attrs.frozen
class ShareState:
    """One class of clients at a limit: the part it can count on while it asks.

    `asked` is what it has lately asked for, whether it got it or not.
    """

    part: int
    used: int
    asked: int


@attrs.frozen
class Shares:
    """Of clients of high priority, and of all others."""

    high: ShareState
    rest: ShareState


@attrs.frozen
class LimitState:
    """One limit at one moment. `used` includes what is under way.

    `age` is the seconds since the figure's source spoke. `drift` is what the provider
    had counted more than we, when it was last heard; less where negative. `shares`
    are there where the budget has one.
    """

    limit: Limit
    used: int
    left: int
    resets_in: float
    source: Source
    age: float
    drift: int = 0
    shares: Shares | None = None


@attrs.frozen
class BudgetState:
    """One budget at one moment."""

    name: str
    limits: tuple[LimitState, ...]
    under_way: int  # leases
    max_concurrent: int | None
    resting_for: float  # seconds


class QuotaStore(Protocol):
    """Counts what requests take from budgets.

    Async, since some stores are remote. What cannot be stored is not admitted; no
    method raises because of a store that is away.
    """

    async def reserve(
        self,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Lease | Denial:
        """Take `cost` from every limit of every budget, or nothing at all.

        It is counted when this returns, whatever happens to the process. Unless
        extended, the lease expires in `lease_seconds`: its concurrency is free again,
        and the rest is used. Who extends or ends it later, within an hour, is believed
        all the same.
        """
        ...

    def reached(self, lease: Lease) -> None:
        """The provider has begun to answer, so that it has counted the request by now.

        Until this or `settle` a request counts in whichever window is on; and until
        `settle` its tokens and its cost do, which are used until the end.
        """
        ...

    def split(self, part: Lease, rest: Lease) -> None:
        """Both, by `Lease.split`, go on for themselves in place of the one they were.

        Nothing is taken or given back, and nothing is waited for.
        """
        ...

    async def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
        *,
        heard: bool = True,
    ) -> None:
        """It reached the provider and cost `actual`, by default what was reserved.

        Budgets that do not count such an outcome get it back. Unless anything was
        `heard` of it, it may be counted in the next `UNHEARD_SECONDS` yet.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """It never reached the provider: give all back."""
        ...

    async def extend(
        self, leases: Sequence[Lease], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        """They are still under way, and expire in `lease_seconds` from now.

        To be called every `HEARTBEAT_SECONDS`, also where there are none.
        """
        ...

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        """The provider limits this budget against our count: admit nothing for a while.

        `seconds` is what the provider said; without it 1 s, doubled at each repeat up
        to the longest window, until one request gets through again. End the lease
        first. Returns the seconds it will rest.
        """
        ...

    async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
        """Let less be left, where the provider says so; never more than we count."""
        ...

    async def waits(self, wants: Sequence[Want]) -> list[float]:
        """For each of `wants`, the seconds until it fits, as far as is known.

        Infinite if it never does. Asks no remote store: who is told 0 may still be
        denied.
        """
        ...

    async def headroom(self, wants: Sequence[Want]) -> list[float]:
        """For each of `wants`, what it would leave of its tightest limit: 0 to 1.

        All where nothing is limited. Known as far as by `waits`.
        """
        ...

    async def room(
        self, budgets: Sequence[Budget], cost: Cost = ONE
    ) -> tuple[Room, ...]:
        """What is left for requests such as `cost`, as in `Lease.rooms`."""
        ...

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        """All about the budgets, for whoever wants to look."""
        ...
