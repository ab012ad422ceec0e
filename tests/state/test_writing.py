"""What SQLite is told a little later: seen here at once, by others within 15 ms.

Until then it is counted as it was, and whoever is killed meanwhile has used all of it.
"""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from tests.clocks import FakeClock, in_no_time
from tests.state.late_shop import LateSqliteShop
from tests.state.shops import Notices, Till, budget, requests, tokens
from tproxy.core.budget import Cost, Outcome, Unit
from tproxy.core.leases import CONCURRENCY, Heard, Lease, LeaseId
from tproxy.core.windows import MINUTE, Window
from tproxy.state import writing
from tproxy.state.sqlite import SqliteQuotas

BACK = "quotas can be stored again"
REFUSED = "quotas cannot be stored, so requests with quotas are refused"
NARROW = budget(tokens(1_000), requests(9), max_concurrent=1)
COST = Cost(1, 700)
LATER = 0.02  # seconds; it is 0.015


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shop(path: Path) -> Iterator[LateSqliteShop]:
    shop = LateSqliteShop(FakeClock(), path)
    yield shop
    shop.close()


@asynccontextmanager
async def nodes(path: Path) -> AsyncIterator[tuple[SqliteQuotas, SqliteQuotas]]:
    """Two processes, whose timers are the loop's."""
    clock, notices = FakeClock(), Notices()
    one, other = (SqliteQuotas(path, clock, notices, boot="b") for _ in range(2))
    yield one, other
    one.close()
    other.close()


async def taken(store: SqliteQuotas, cost: Cost = COST) -> Lease:
    lease = await store.reserve([NARROW], cost)
    assert isinstance(lease, Lease), lease
    return lease


async def used(store: SqliteQuotas) -> tuple[int, int]:
    """Tokens, and how many are under way."""
    [state] = await store.snapshot([NARROW])
    return state.limits[0].used, state.under_way


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        [count] = database.execute("SELECT count(*) FROM change").fetchone()
    assert isinstance(count, int)
    return count


ENDS: dict[str, Callable[[Till, Lease], object]] = {
    "settled": lambda till, lease: till.settle(lease, Cost(1, 100)),
    "refused": lambda till, lease: till.settle(lease, outcome=Outcome.REFUSAL),
    "released": lambda till, lease: till.release(lease),
}
LOOKS: dict[str, Callable[[Till], bool]] = {
    "waits": lambda till: till.wait(NARROW, cost=COST) == 0.0,
    "room": lambda till: till.room(NARROW)[1].left >= 900,
    "state": lambda till: till.state(NARROW).under_way == 0,
    "reserve": lambda till: isinstance(till.reserve(NARROW, cost=COST), Lease),
}
AT_ONCE: dict[str, Callable[[Till, Lease], object]] = {
    "it cost more": lambda till, lease: till.settle(lease, Cost(1, 701)),
    "it rests": lambda till, lease: till.rest(NARROW, 20.0),
    "it goes on": lambda till, lease: till.extend(lease, seconds=60.0),
}


@pytest.mark.parametrize("looks", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_who_ends_a_request_sees_that_at_once_wherever_it_looks(
    shop: LateSqliteShop,
    end: Callable[[Till, Lease], object],
    looks: Callable[[Till], bool],
) -> None:
    till = Till(shop)
    lease = till.take(NARROW, cost=COST)
    assert till.denied(NARROW).limit == CONCURRENCY

    end(till, lease)

    assert looks(till)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_until_it_is_written_others_count_all_of_it(
    shop: LateSqliteShop, end: Callable[[Till, Lease], object]
) -> None:
    one, other = Till(shop), Till(shop)
    lease = one.take(NARROW, cost=COST)

    end(one, lease)

    assert other.denied(NARROW).limit == CONCURRENCY
    assert other.state(NARROW).limits[0].used == 700
    shop.ring()
    assert other.state(NARROW) == one.state(NARROW)
    assert isinstance(other.reserve(NARROW, cost=COST), Lease)


def test_it_is_written_within_some_milliseconds(path: Path) -> None:
    async def test() -> None:
        async with nodes(path) as (one, other):
            for _ in range(2):  # the timer is set again
                await one.settle(await taken(one), Cost(1, 100))
                assert (await used(other))[1] == 1
                await asyncio.sleep(LATER)
                assert (await used(other))[1] == 0

    in_no_time(test())


def test_it_is_written_with_the_next_request_in_one_row(
    shop: LateSqliteShop, path: Path
) -> None:
    one, other = Till(shop), Till(shop)
    lease = one.take(NARROW, cost=COST)
    one.store._journal._whole_every = 1 << 30  # type: ignore[attr-defined]
    before = rows(path)

    one.settle(lease, Cost(1, 100))
    one.learn(NARROW, Heard(Unit.REQUESTS, Window(MINUTE), 3, 30.0))
    assert rows(path) == before
    one.take(NARROW, cost=Cost(1, 900))

    assert rows(path) == before + 1
    assert [limit.left for limit in other.state(NARROW).limits] == [0, 2]


def test_the_past_is_forgotten_whatever_is_written_together(
    shop: LateSqliteShop, path: Path
) -> None:
    one, other = Till(shop), Till(shop)
    for _ in range(50):
        one.use(budget(requests(500)))
        assert rows(path) <= 4  # of two changes each

    assert one.state(budget(requests(500))) == other.state(budget(requests(500)))


@pytest.mark.parametrize("act", AT_ONCE.values(), ids=AT_ONCE)
def test_what_takes_more_or_holds_others_back_is_written_at_once(
    shop: LateSqliteShop, act: Callable[[Till, Lease], object]
) -> None:
    """And what was said before, before."""
    one, other = Till(shop), Till(shop)
    first = one.take(budget(max_concurrent=1, name="first"))
    lease = one.take(NARROW, cost=COST)
    one.settle(first)

    act(one, lease)

    assert other.state(NARROW) == one.state(NARROW)
    assert other.state(budget(name="first")).under_way == 0


def test_who_closes_writes_it(path: Path) -> None:
    async def test() -> None:
        async with nodes(path) as (_, other):
            one = SqliteQuotas(path, FakeClock(), Notices(), boot="b")
            await one.settle(await taken(one), Cost(1, 100))
            one.close()
            assert await used(other) == (100, 0)

    in_no_time(test())


def test_who_cannot_write_it_when_closing_has_used_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_PATIENCE", 0.05)

    async def test() -> None:
        async with nodes(path) as (_, other):
            one = SqliteQuotas(path, FakeClock(), Notices(), boot="b")
            await one.settle(await taken(one), Cost(1, 100))
            with closing(sqlite3.connect(path, isolation_level=None)) as third:
                third.execute("BEGIN IMMEDIATE")
                one.close()
            assert await used(other) == (700, 1)

    in_no_time(test())


def test_a_lock_that_another_has_then_is_tried_for_again(path: Path) -> None:
    async def test() -> None:
        async with nodes(path) as (one, other):
            await one.settle(await taken(one), Cost(1, 100))
            with closing(sqlite3.connect(path, isolation_level=None)) as third:
                third.execute("BEGIN IMMEDIATE")
                await asyncio.sleep(10 * LATER)
            assert await used(other) == (700, 1)
            await asyncio.sleep(LATER)
            assert await used(other) == (100, 0)

    in_no_time(test())


def test_a_file_that_fails_then_is_tried_again_each_second(path: Path) -> None:
    notices = Notices()

    async def test() -> None:
        one = SqliteQuotas(path, FakeClock(), notices, boot="b")
        await one.settle(await taken(one), Cost(1, 100))
        one._journal._db.execute("PRAGMA query_only = 1")
        await asyncio.sleep(5.0)
        assert notices.said == [REFUSED]
        one._journal._db.execute("PRAGMA query_only = 0")
        await asyncio.sleep(1.0)
        assert notices.said == [REFUSED, BACK]
        one._journal.close()
        async with nodes(path) as (other, _):
            assert await used(other) == (100, 0)

    in_no_time(test())


def test_what_is_owed_is_bounded(shop: LateSqliteShop) -> None:
    store = shop.node()

    async def test() -> None:
        for number in range(10_100):
            await store.release(Lease(LeaseId(str(number)), (NARROW,), COST))

    shop.run(test())
    assert len(store._writer._owed) == 10_000


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.state.shops import Notices, RealClock
from tests.state.test_writing import COST, NARROW
from tproxy.core.budget import Cost
from tproxy.state.sqlite import SqliteQuotas

async def main():
    store = SqliteQuotas(Path(sys.argv[1]), RealClock(), Notices())
    lease = await store.reserve([NARROW], COST)
    await store.settle(lease, Cost(1, 100))
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_who_is_killed_before_it_is_written_has_used_it(path: Path) -> None:
    dying = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert dying.returncode == -signal.SIGKILL
    shop = LateSqliteShop(FakeClock(), path)
    till = Till(shop)

    assert till.state(NARROW).limits[0].used == 700
    assert till.denied(NARROW).limit == CONCURRENCY
    shop.clock.advance(15.0)
    assert till.state(NARROW).under_way == 0
    assert till.fill(NARROW, cost=Cost(1, 100)) == 3
    shop.close()
