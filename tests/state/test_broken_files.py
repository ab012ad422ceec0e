"""What becomes of SQLite's file while we serve: locked, full, corrupt, read-only, gone.

Nothing is admitted that cannot be stored, and nothing is lost that was counted.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.state.shops import Notices, SqliteShop, Till, budget, requests, tokens
from tproxy.core.budget import Cost
from tproxy.core.leases import STORE, Denial, Lease
from tproxy.state import journal
from tproxy.state.journal import Unusable
from tproxy.state.sqlite import SqliteQuotas

REFUSED = "quotas cannot be stored, so requests with quotas are refused"
BACK = "quotas can be stored again"
UNSTORED = Denial("", STORE, 1.0)
NOBODY = 65_534
PAGE = 4_096
NINE = budget(requests(9))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shop(path: Path) -> Iterator[SqliteShop]:
    shop = SqliteShop(FakeClock(), path)
    yield shop
    shop.close()


@pytest.fixture
def others_folder() -> Iterator[Path]:
    """A folder that is not root's, for the rest of the test as its owner."""
    folder = Path(tempfile.mkdtemp())
    before = os.geteuid()
    if before == 0:
        os.chown(folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(before)
    shutil.rmtree(folder)


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """As on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def checkpointed(path: Path) -> None:
    """All that was written is in the file itself, and the log empty."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def spoil(path: Path, first: int, pages: int) -> None:
    with path.open("r+b") as file:
        file.seek(first * PAGE)
        file.write(b"\xa5garbage" * (pages * PAGE // 8))


def test_who_meets_a_lock_waits_until_it_is_free(shop: SqliteShop, path: Path) -> None:
    till = Till(shop)

    async def test(other: sqlite3.Connection) -> Lease | Denial:
        asyncio.get_running_loop().call_later(0.2, other.execute, "ROLLBACK")
        return await till.store.reserve([NINE])

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert isinstance(shop.run(test(other)), Lease)

    assert till.fill(NINE) == 8
    assert shop.observer.said == []


def test_a_file_that_stays_locked_is_no_place_to_begin(
    shop: SqliteShop, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Till(shop)
    monkeypatch.setattr(journal, "_OPENING", 0.05)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unusable, match="database is locked"):
            SqliteQuotas(path, FakeClock(), Notices())


def test_a_disk_that_is_full_admits_nothing_until_there_is_room(
    shop: SqliteShop, path: Path
) -> None:
    till, whose = Till(shop), budget(tokens(9_000), requests(900))
    lease = till.take(whose, cost=Cost(1, 700))
    log = path.with_name("state.db-wal")

    stored = 0
    with no_file_longer_than(log.stat().st_size + 2 * PAGE):
        while isinstance(till.reserve(whose, cost=Cost(1, 1)), Lease):
            stored += 1
        assert till.denied(whose) == UNSTORED
        till.settle(lease, Cost(1, 200))
        assert shop.observer.said == [REFUSED]

    till.release(till.take(whose, cost=Cost(1, 1)))
    assert till.state(whose).limits[0].used == 200 + stored
    assert shop.observer.said == [REFUSED, BACK]


def test_a_disk_that_is_full_is_no_place_to_begin(path: Path) -> None:
    with no_file_longer_than(PAGE), pytest.raises(Unusable, match=r"state\.db: "):
        SqliteQuotas(path, FakeClock(), Notices())


@pytest.mark.parametrize(("file", "folder"), [(0o400, 0o700), (0o600, 0o500)])
def test_what_is_read_only_is_told_at_once(
    others_folder: Path, file: int, folder: int
) -> None:
    path = others_folder / "state.db"
    path.touch(file)
    others_folder.chmod(folder)
    try:
        with pytest.raises(Unusable, match=r"readonly|unable to open"):
            SqliteQuotas(path, FakeClock(), Notices(), boot="b")
    finally:
        others_folder.chmod(0o700)


@pytest.mark.parametrize(("first", "pages"), [(0, 1), (1, 1), (2, 2), (0, 5)])
def test_garbage_in_the_file_admits_nothing_that_is_not_counted(
    shop: SqliteShop, path: Path, first: int, pages: int
) -> None:
    """Who serves may not notice, as all is in memory and in the log."""
    till, other = Till(shop), Till(shop)
    taken = till.fill(budget(requests(60)), most=20)
    checkpointed(path)
    spoil(path, first, pages)

    for node in (till, other) * 50:
        lease = node.reserve(budget(requests(60)))
        taken += isinstance(lease, Lease)
        if isinstance(lease, Lease):
            node.settle(lease)

    assert taken <= 60
    assert shop.observer.said in ([], [REFUSED], [REFUSED, REFUSED])
    if taken < 60:
        assert till.denied(NINE) == other.denied(NINE) == UNSTORED
    else:
        assert till.denied(budget(requests(60))).limit == "requests per minute"


@pytest.mark.parametrize(("first", "pages"), [(0, 1), (0, 5), (1, 1)])
def test_a_file_with_garbage_in_it_is_no_place_to_begin(
    shop: SqliteShop, path: Path, first: int, pages: int
) -> None:
    Till(shop).fill(budget(requests(60)))
    shop.close()
    spoil(path, first, pages)
    content = path.read_bytes()

    with pytest.raises(Unusable, match=r"not a database|malformed|unreadable"):
        SqliteQuotas(path, FakeClock(), Notices())
    assert path.read_bytes()[PAGE:] == content[PAGE:]


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_taken_away_is_counted_in_no_longer(
    shop: SqliteShop, path: Path, replaced: bool
) -> None:
    """Or those who look for it later would count anew, beside us."""
    one, two = Till(shop), Till(shop)
    assert one.fill(NINE, most=4) == 4
    path.rename(path.with_name("elsewhere"))
    if replaced:
        path.write_bytes(b"")

    assert one.denied(NINE) == two.denied(NINE) == UNSTORED
    assert isinstance(one.reserve(budget(name="free")), Lease)
    assert shop.observer.said == [REFUSED, REFUSED]  # each of the two processes

    path.with_name("elsewhere").rename(path)
    assert one.fill(NINE) + two.fill(NINE) == 5
    assert shop.observer.said[2:] == [BACK, BACK]


def test_a_file_that_was_taken_away_is_not_made_again_by_those_who_serve(
    shop: SqliteShop, path: Path
) -> None:
    till = Till(shop)
    lease = till.take(NINE)
    path.unlink()

    till.settle(lease)
    till.denied(NINE)

    assert not path.exists()
