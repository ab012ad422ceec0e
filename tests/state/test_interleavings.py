"""Every step of a take, with another node acting, or ours dying, in between.

For SQLite the steps are the statements of its transactions; for Redis the calls, each
of which the server runs as one. However they interleave: no more than the limit is
admitted, both count alike afterwards, and what the dead held is free in its time.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.clocks import FakeClock
from tests.state.servers import Server
from tests.state.shops import RedisShop, SqliteShop, Till, budget, requests
from tproxy.core.leases import LEASE_SECONDS, Denial, Lease
from tproxy.core.windows import MINUTE
from tproxy.state.redis import RedisQuotas
from tproxy.state.script import Reply, Script
from tproxy.state.sqlite import SqliteQuotas

LIMIT = 3
MOST_STEPS = 40  # more than any operation has
OWN = budget(requests(LIMIT), name="own", max_concurrent=LIMIT)
BOTH = (OWN, budget(requests(2 * LIMIT, 10 * MINUTE), name="both"))

Hook = Callable[[], None]


class Killed(BaseException):
    """The process is gone, in the middle of something."""


@attrs.define(eq=False)
class Stepping:
    """A connection that calls `hook` before the statement of that number."""

    database: sqlite3.Connection
    hook: Hook
    at: int
    step: int = 0

    def execute(self, *said: Any) -> sqlite3.Cursor:
        self.step += 1
        if self.step == self.at:
            self.hook()
        return self.database.execute(*said)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


@contextmanager
def stepping(till: Till, hook: Hook, at: int) -> Iterator[Stepping]:
    journal = till.store._journal  # type: ignore[attr-defined]
    real = journal._db
    journal._db = between = Stepping(real, hook, at)
    try:
        yield between
    finally:
        journal._db = real


def held(till: Till) -> list[Lease]:
    """All that can be had at once, still under way."""
    taken = [till.reserve(*BOTH) for _ in range(2 * LIMIT)]
    return [lease for lease in taken if isinstance(lease, Lease)]


def operations(till: Till, lease: Lease) -> dict[str, Callable[[], object]]:
    return {
        "reserve": lambda: till.reserve(*BOTH),
        "settle": lambda: till.settle(lease),
        "release": lambda: till.release(lease),
        "extend": lambda: till.extend(lease),
        "rest": lambda: till.rest(BOTH[1], 1.0),
    }


def held_without_waiting(till: Till) -> Iterator[Lease]:
    """The same, of a node that meets no lock, in the midst of another's transaction."""
    for _ in range(2 * LIMIT):
        asking = till.store.reserve(BOTH)
        try:
            asking.send(None)
        except StopIteration as end:
            if isinstance(end.value, Lease):
                yield end.value
        else:
            asking.close()  # it would sleep, and try again


NAMES = ["reserve", "settle", "release", "extend", "rest"]


@pytest.mark.parametrize("name", NAMES)
def test_another_process_may_act_between_any_two_statements(
    tmp_path: Path, name: str
) -> None:
    for at in range(1, MOST_STEPS):
        shop = SqliteShop(FakeClock(), tmp_path / f"{name}{at}.db")
        one, other = Till(shop), Till(shop)
        lease = one.take(*BOTH)
        theirs: list[Lease] = []

        with stepping(one, lambda: theirs.extend(held_without_waiting(other)), at) as s:  # noqa: B023
            result = operations(one, lease)[name]()

        shop.clock.advance(1.0)  # the rest is over
        theirs += held(other)
        admitted = 1 + isinstance(result, Lease) + len(theirs)
        assert admitted == LIMIT + (name == "release")
        states = [node.state(OWN) for node in (one, other, Till(shop))]
        assert {state.under_way for state in states} == {LIMIT - (name == "settle")}
        assert {state.limits[0].used for state in states} == {LIMIT}
        shop.close()
        if s.step < at:
            return
    raise AssertionError("it never ends")


@pytest.mark.parametrize("name", NAMES)
def test_a_process_may_die_between_any_two_statements(
    tmp_path: Path, name: str
) -> None:
    def die() -> None:
        raise Killed

    for at in range(1, MOST_STEPS):
        shop = SqliteShop(FakeClock(), tmp_path / f"{name}{at}.db")
        dying, other = Till(shop), Till(shop)
        lease = dying.take(*BOTH)
        with stepping(dying, die, at) as steps, suppress(Killed):
            operations(dying, lease)[name]()
        assert isinstance(dying.store, SqliteQuotas)
        shop._open.remove(dying.store)
        dying.store._journal.close()

        shop.clock.advance(1.0)
        theirs = held(other)
        done, undone = LIMIT - 1 + (name == "release"), LIMIT - 1 - (name == "reserve")
        assert len(theirs) in (done, undone)
        for each in theirs:
            other.release(each)
        shop.clock.advance(LEASE_SECONDS)
        assert other.state(OWN).under_way == 0
        shop.clock.advance(10 * MINUTE)
        assert len(held(other)) == LIMIT
        shop.close()
        if steps.step < at:
            return
    raise AssertionError("it never ends")


@attrs.frozen(eq=False)
class SteppingScript(Script):
    """Calls `hook` before, and after, the call of the server of that number."""

    steps: list[int] = attrs.Factory(lambda: [0, 0])
    hook: list[Callable[[], Any]] = attrs.Factory(list)

    async def call(self, *said: Any, **ask: Any) -> Reply:
        await self._step()
        reply = await super().call(*said, **ask)
        await self._step()
        return reply

    async def _step(self) -> None:
        self.steps[0] += 1
        if self.steps[0] == self.steps[1]:
            await self.hook[0]()


class SteppingShop(RedisShop):
    """Its first node takes steps; the next is another."""

    def stepping(
        self, whose: RedisQuotas, at: int, hook: Callable[[], Any]
    ) -> list[int]:
        remote = whose._remote
        true = remote._script
        steps = [0, at]
        made = SteppingScript(
            true._redis, true._node, true.patience, steps=steps, hook=[hook]
        )
        remote._script = made
        return steps


def called(
    store: RedisQuotas, name: str, lease: Lease
) -> Coroutine[Any, Any, Lease | Denial | None]:
    match name:
        case "reserve":
            return store.reserve(BOTH)
        case "settle":
            return store.settle(lease)
        case "release":
            return store.release(lease)
        case _:
            return store.extend([lease])


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("dies", [False, True])
@pytest.mark.parametrize("name", ["reserve", "settle", "release", "extend"])
def test_another_host_may_act_between_any_two_calls(
    server: Server, name: str, dies: bool, flushed: bool
) -> None:
    """Or all is forgotten there; or ours dies with its word on the way."""
    for at in range(1, MOST_STEPS):
        shop = SteppingShop(FakeClock(), server)
        one, other = Till(shop), Till(shop)
        lease = one.take(*BOTH)
        assert other.state(OWN).under_way == 1
        theirs: list[Lease] = []

        async def meanwhile(other: Till = other, theirs: list[Lease] = theirs) -> None:
            if flushed:
                server.say("FLUSHALL")
            for _ in range(2 * LIMIT):
                taken = await other.store.reserve(BOTH)
                if isinstance(taken, Lease):
                    theirs.append(taken)
            if dies:
                await asyncio.Event().wait()

        store = one.store
        assert isinstance(store, RedisQuotas)
        steps = shop.stepping(store, at, meanwhile)

        async def act(asked: Coroutine[Any, Any, Any]) -> Any:
            task = asyncio.ensure_future(asked)
            await asyncio.wait([task], timeout=0.05 if dies else 5.0)
            if task.done():
                return task.result()
            return None

        result = shop.run(act(called(store, name, lease)))
        mine = isinstance(result, Lease)
        theirs += held(other)
        if not flushed:  # or what only a silent node knows is forgotten
            assert 1 + mine + len(theirs) <= LIMIT + (name == "release")
        shop.clock.advance(2 * LEASE_SECONDS)
        assert other.state(OWN).under_way == 0
        shop.clock.advance(10 * MINUTE)
        assert len(held(other)) == LIMIT
        shop.close()
        if steps[0] < at:
            return
    raise AssertionError("it never ends")
