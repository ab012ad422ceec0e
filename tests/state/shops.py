"""Stores of each kind on one clock that stands still, and the nodes that share them."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Coroutine
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

import attrs
import pytest

from tests.clocks import FakeClock
from tests.state.servers import Server
from tproxy.core.budget import ONE, Budget, Cost, Limit, Outcome, Unit
from tproxy.core.events import Event, Notice
from tproxy.core.leases import (
    LEASE_SECONDS,
    BudgetState,
    Denial,
    Heard,
    Lease,
    QuotaStore,
    Room,
)
from tproxy.core.state import Clock
from tproxy.core.windows import DAY, MINUTE, Kind, Window
from tproxy.state.drift import Drifts
from tproxy.state.memory_quotas import MemoryQuotas
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script
from tproxy.state.sqlite import SqliteQuotas

T = TypeVar("T")


class RealClock:
    """`core.state.Clock` as the machine has it."""

    wall = staticmethod(time.time)
    steady = staticmethod(time.monotonic)


@attrs.define(eq=False)
class Notices:
    """An observer that keeps what it is told."""

    said: list[str] = attrs.field(factory=list)

    def emit(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.said.append(event.message)


class Shop(Protocol):
    """One store; each node is a process's end of it, and can die at any moment."""

    clock: FakeClock

    @property
    def notices(self) -> list[str]: ...

    def node(self) -> QuotaStore: ...

    def crash(self, node: QuotaStore) -> None: ...

    def run(self, call: Coroutine[Any, Any, T]) -> T: ...

    def close(self) -> None: ...


class _Loop:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.observer = Notices()
        self._runner = asyncio.Runner()

    @property
    def notices(self) -> list[str]:
        return self.observer.said

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    def close(self) -> None:
        self._runner.close()


class MemoryShop(_Loop):
    """All nodes are one: there is one process, and its death would be the store's."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._store = MemoryQuotas(clock, Drifts(self.observer))

    def node(self) -> QuotaStore:
        return self._store

    def crash(self, node: QuotaStore) -> None:
        """Whoever knew of its leases has forgotten them."""


class _Killed(Exception):
    pass


class SqliteShop(_Loop):
    """What nodes owe to the file is written after each call, as if time had passed."""

    def __init__(self, clock: FakeClock, path: Path) -> None:
        super().__init__(clock)
        self._path = path
        self._open: list[SqliteQuotas] = []

    def node(self) -> SqliteQuotas:
        node = SqliteQuotas(self._path, self.clock, self.observer, boot="b")
        node._journal._whole_every = 7  # often
        self._open.append(node)
        return node

    def crash(self, node: QuotaStore) -> None:
        """In the middle of a transaction, which is undone as a killed process's is."""
        assert isinstance(node, SqliteQuotas)
        self._open.remove(node)
        node._writer._owed.clear()
        journal = node._journal

        def work(_: Any, now: Any) -> None:
            journal.introduce(now, [Budget("never written")])
            raise _Killed

        with suppress(_Killed):
            journal.transact(work)
        node.close()

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        result = super().run(call)
        self.ring()
        return result

    def ring(self) -> None:
        """Let the timers of all nodes go off."""

        async def ring() -> None:
            for node in self._open:
                node._writer.ring()

        super().run(ring())

    def close(self) -> None:
        for node in self._open:
            node.close()
        super().close()


@attrs.define
class ServerClock:
    """`core.state.Clock` of a machine of its own, which runs as `of` does."""

    of: FakeClock
    epoch: float = 1_750_000_000.0

    def wall(self) -> float:
        return self.epoch + self.of.now

    def steady(self) -> float:
        return self.of.now


class RedisShop(_Loop):
    """`time` is the server's clock, where it is another than that of the nodes."""

    def __init__(
        self, clock: FakeClock, server: Server, time: Clock | None = None
    ) -> None:
        super().__init__(clock)
        self._server = server
        self._time = time or clock
        self._numbers = itertools.count()
        self._open: list[tuple[RedisQuotas, Script]] = []
        server.say("FLUSHALL")

    def node(self) -> RedisQuotas:
        name = f"node{next(self._numbers)}"
        script = Script.at(self._server.url, name, patience=5.0)
        remote = Remote(script, self.clock, self._time)
        node = RedisQuotas(remote, self.clock, self.observer, name)
        self._open.append((node, script))
        return node

    def crash(self, node: QuotaStore) -> None:
        """It never speaks again. Its connections are closed at the end."""

    def close(self) -> None:
        for node, script in self._open:
            self.run(node.close())
            self.run(script.close())
        super().close()


@attrs.define(eq=False)
class Till:
    """One node of a shop, called as if it were not async."""

    shop: Shop
    store: QuotaStore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.store = self.shop.node()

    def reserve(
        self, *budgets: Budget, cost: Cost = ONE, seconds: float = LEASE_SECONDS
    ) -> Lease | Denial:
        return self.shop.run(self.store.reserve(budgets, cost, seconds))

    def take(
        self, *budgets: Budget, cost: Cost = ONE, seconds: float = LEASE_SECONDS
    ) -> Lease:
        lease = self.reserve(*budgets, cost=cost, seconds=seconds)
        assert isinstance(lease, Lease), lease
        return lease

    def denied(self, *budgets: Budget, cost: Cost = ONE) -> Denial:
        denial = self.reserve(*budgets, cost=cost)
        assert isinstance(denial, Denial), denial
        return denial

    def use(self, *budgets: Budget, cost: Cost = ONE) -> None:
        """A request that reaches its provider, and ends, at this moment."""
        self.settle(self.take(*budgets, cost=cost))

    def fill(self, *budgets: Budget, cost: Cost = ONE, most: int = 1_000) -> int:
        """How many requests are answered at this moment."""
        for taken in range(most):
            lease = self.reserve(*budgets, cost=cost)
            if isinstance(lease, Denial):
                return taken
            self.settle(lease)
        return most

    def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
    ) -> None:
        self.shop.run(self.store.settle(lease, actual, outcome))

    def release(self, lease: Lease) -> None:
        self.shop.run(self.store.release(lease))

    def extend(self, *leases: Lease, seconds: float = LEASE_SECONDS) -> None:
        self.shop.run(self.store.extend(leases, seconds))

    def rest(self, budget: Budget, seconds: float | None = None) -> float:
        return self.shop.run(self.store.rest(budget, seconds))

    def learn(self, budget: Budget, *heard: Heard) -> None:
        self.shop.run(self.store.learn(budget, heard))

    def wait(self, *budgets: Budget, cost: Cost = ONE) -> float:
        return self.shop.run(self.store.waits([(budgets, cost)]))[0]

    def room(self, *budgets: Budget, cost: Cost = ONE) -> tuple[Room, ...]:
        return self.shop.run(self.store.room(budgets, cost))

    def state(self, budget: Budget) -> BudgetState:
        [state] = self.shop.run(self.store.snapshot([budget]))
        return state


def requests(amount: int, seconds: float = MINUTE, **window: Any) -> Limit:
    return Limit(Unit.REQUESTS, amount, Window(seconds, **window))


def tokens(amount: int, seconds: float = MINUTE, **window: Any) -> Limit:
    return Limit(Unit.TOKENS, amount, Window(seconds, **window))


def daily(amount: int, zone: str = "UTC") -> Limit:
    return requests(amount, DAY, kind=Kind.CALENDAR, zone=zone)


def budget(*limits: Limit, name: str = "b", **more: Any) -> Budget:
    return Budget(name, limits, **more)


def set_clock(till: Till, text: str, zone: str = "UTC") -> None:
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
    till.shop.clock.advance(moment - till.shop.clock.wall())


def soon(seconds: float) -> Any:
    return pytest.approx(seconds, abs=1e-3)
