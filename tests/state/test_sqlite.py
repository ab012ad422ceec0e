"""A file that is locked, full, read-only, corrupt or not ours; and what outlives us."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.state.shops import Notices, SqliteShop, Till, budget, daily, requests, tokens
from tproxy.core.budget import Cost, Unit
from tproxy.core.leases import REST, STORE, Denial, Heard, Lease
from tproxy.core.windows import DAY, HOUR, Kind, Window
from tproxy.state.journal import Unusable
from tproxy.state.sqlite import SqliteQuotas

REFUSED = "quotas cannot be stored, so requests with quotas are refused"
BACK = "quotas can be stored again"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shop(path: Path) -> Iterator[SqliteShop]:
    shop = SqliteShop(FakeClock(), path)
    yield shop
    shop.close()


def test_a_file_that_is_locked_blocks_nobody_else(shop: SqliteShop, path: Path) -> None:
    till = Till(shop)
    before = till.take(budget(requests(2)))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def test() -> Lease | Denial:
        task = asyncio.create_task(others())
        try:
            return await till.store.reserve([budget(requests(2))])
        finally:
            task.cancel()

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert shop.run(test()) == Denial("", STORE, 1.0)
        till.release(before)
    assert turns > 100
    assert shop.observer.said == [REFUSED]
    assert till.fill(budget(requests(2))) == 2
    assert shop.observer.said == [REFUSED, BACK]


@pytest.mark.parametrize("fault", ["query_only = 1", "max_page_count = 1"])
def test_what_cannot_be_stored_is_not_admitted_and_nothing_is_lost(
    shop: SqliteShop, fault: str
) -> None:
    """Read-only, and full."""
    till = Till(shop)
    whose = budget(tokens(9_000), requests(90))
    lease = till.take(whose, cost=Cost(1, 700))
    journal = till.store._journal  # type: ignore[attr-defined]
    journal._whole_every = 1 << 30  # to forget the past would make room
    database = journal._db
    database.execute(f"PRAGMA {fault}")

    stored = 0
    while isinstance(till.reserve(whose, cost=Cost(1, 1)), Lease):
        stored += 1  # in what is left of the last page
    assert till.denied(whose) == Denial("", STORE, 1.0)
    till.settle(lease, Cost(1, 200))
    assert till.rest(whose, 30.0) == 0.0
    assert shop.observer.said == [REFUSED]

    database.execute("PRAGMA query_only = 0")
    database.execute("PRAGMA max_page_count = 1000000")
    assert till.denied(whose).limit == REST
    assert till.state(whose).limits[0].used == 200 + stored
    assert Till(shop).state(whose) == till.state(whose)
    assert shop.observer.said == [REFUSED, BACK]


def test_a_file_that_breaks_while_serving_admits_nothing(
    shop: SqliteShop, path: Path
) -> None:
    till = Till(shop)
    till.use(budget(requests(9)))
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE change SET said = 'nonsense'")
        other.execute("INSERT INTO change SELECT max(seq) + 1, '[1]' FROM change")
        other.commit()

    assert till.denied(budget(requests(9))) == Denial("", STORE, 1.0)
    assert isinstance(till.reserve(budget(name="free")), Lease)
    assert shop.observer.said == [REFUSED]


@pytest.mark.parametrize(
    "content", [b"garbage" * 1_000, b"SQLite format 3\0" + b"\xff" * 5_000]
)
def test_a_file_that_is_not_ours_is_not_used(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(Unusable, match=r"state\.db: "):
        SqliteQuotas(path, FakeClock(), Notices())
    assert path.read_bytes() == content


@pytest.mark.parametrize("other", ["PRAGMA user_version = 9", "CREATE TABLE x (y)"])
def test_another_programs_file_is_not_used(path: Path, other: str) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(other)

    with pytest.raises(Unusable, match="not a file of this version"):
        SqliteQuotas(path, FakeClock(), Notices())


def test_a_ledger_that_makes_no_sense_is_not_used(shop: SqliteShop, path: Path) -> None:
    Till(shop).fill(budget(requests(9)))
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE ledger SET said = '{}'")
        database.commit()

    with pytest.raises(Unusable, match="unreadable ledger"):
        SqliteQuotas(path, FakeClock(), Notices())


@pytest.mark.parametrize("where", ["no/such/folder", "."])
def test_a_place_where_no_file_can_be_is_told(tmp_path: Path, where: str) -> None:
    with pytest.raises(Unusable):
        SqliteQuotas(tmp_path / where, FakeClock(), Notices())


def test_a_file_is_its_owners_alone(shop: SqliteShop, path: Path) -> None:
    Till(shop)

    assert path.stat().st_mode & 0o777 == 0o600


def test_all_that_was_counted_outlives_the_process(shop: SqliteShop) -> None:
    whose = budget(
        *(tokens(1_000), requests(9, HOUR), daily(9), requests(9, 7.0)),
        requests(9, HOUR, kind=Kind.FIRST_USE),
    )
    before = Till(shop)
    before.learn(whose, Heard(Unit.TOKENS, Window(60.0), 300, 40.0))
    for _ in range(8):
        before.use(whose, cost=Cost(1, 10))
    before.rest(whose, 5.0)
    state = before.state(whose)
    shop.crash(before.store)

    assert Till(shop).state(whose) == state


def test_time_goes_on_when_the_machine_was_restarted(path: Path) -> None:
    clock = FakeClock(now=90_000.0)
    shop = SqliteShop(clock, path)
    assert Till(shop).fill(budget(requests(9, HOUR))) == 9
    shop.close()
    clock.epoch += clock.now - 30.0 + 600.0
    clock.now = 30.0  # the steady clock began anew, and ten minutes have passed

    node = SqliteQuotas(path, clock, Notices(), boot="another")
    denial = asyncio.run(node.reserve([budget(requests(9, HOUR))]))
    node.close()

    assert isinstance(denial, Denial)
    assert denial.wait == pytest.approx(3_000.0)


def test_a_machine_whose_clock_was_lost_forgets_nothing(path: Path) -> None:
    clock = FakeClock(now=90_000.0)
    shop = SqliteShop(clock, path)
    assert Till(shop).fill(budget(requests(9, HOUR))) == 9
    shop.close()
    clock.epoch, clock.now = 0.0, 30.0  # it is 1970

    node = SqliteQuotas(path, clock, Notices(), boot="another")
    denial = asyncio.run(node.reserve([budget(requests(9, HOUR))]))
    node.close()

    assert isinstance(denial, Denial)
    assert denial.wait == pytest.approx(HOUR)


def test_the_past_is_forgotten(shop: SqliteShop, path: Path) -> None:
    first, other = Till(shop), Till(shop)
    for _ in range(50):
        first.use(budget(requests(500)))

    with closing(sqlite3.connect(path)) as database:
        [changes] = database.execute("SELECT count(*) FROM change").fetchone()
    assert changes <= 7
    assert other.state(budget(requests(500))).limits[0].used == 50


def test_a_cancelled_request_has_taken_nothing(shop: SqliteShop, path: Path) -> None:
    till = Till(shop)

    async def test() -> None:
        task = asyncio.ensure_future(till.store.reserve([budget(requests(1))]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shop.run(test())
    assert till.fill(budget(requests(1))) == 1


def test_days_end_for_all_processes_alike(shop: SqliteShop) -> None:
    nodes = [Till(shop) for _ in range(3)]
    today = budget(daily(5))
    shop.clock.advance(DAY - shop.clock.wall() % DAY - 1)
    assert nodes[0].fill(today) == 5

    shop.clock.advance(2)

    assert [node.fill(today, most=2) for node in nodes] == [2, 2, 1]
