"""Quotas in memory on a clock of their own, without `await`."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from tests.fakes import FakeClock
from tproxy.core.quota import DAY, MINUTE, Kind, Pool, Room, Window
from tproxy.core.state import Denial, Lease
from tproxy.state.memory import MemoryQuotas

T = TypeVar("T")


def now(call: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        call.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits")


def rolling(limit: int, seconds: int = MINUTE) -> Pool:
    return Pool(f"rolling {seconds}", (Window(seconds, limit),))


def daily(limit: int, zone: str = "UTC") -> Pool:
    return Pool(f"daily {zone}", (Window(DAY, limit, Kind.CALENDAR, zone),))


class Quotas:
    """`MemoryQuotas`, called as if it were not async."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock if clock is not None else FakeClock()
        self.store = MemoryQuotas(self.clock)

    def reserve(self, *pools: Pool) -> Lease | Denial:
        return now(self.store.reserve(pools))

    def take(self, *pools: Pool) -> Lease:
        lease = self.reserve(*pools)
        assert isinstance(lease, Lease), lease
        return lease

    def denied(self, *pools: Pool) -> Denial:
        denial = self.reserve(*pools)
        assert isinstance(denial, Denial), denial
        return denial

    def wait(self, *pools: Pool) -> float:
        return now(self.store.waits([pools]))[0]

    def room(self, *pools: Pool) -> Room | None:
        return now(self.store.room(pools))

    def rest(self, pool: Pool, seconds: float | None = None) -> float:
        return now(self.store.rest(pool, seconds))

    def settle(self, lease: Lease) -> None:
        now(self.store.settle(lease))

    def release(self, lease: Lease) -> None:
        now(self.store.release(lease))

    def fill(self, pool: Pool, most: int = 10_000) -> int:
        """How many requests are admitted at this moment."""
        for taken in range(most):
            if isinstance(self.reserve(pool), Denial):
                return taken
        return most


def at(text: str, zone: str) -> FakeClock:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
    return FakeClock(now=0.0, epoch=moment)
