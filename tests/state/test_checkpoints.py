"""SQLite's log, which is moved into the file now and then: who reads meanwhile, in one
long transaction, keeps nobody from counting."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.state.shops import SqliteShop, Till, budget, requests
from tproxy.state import writing

MANY = budget(requests(500))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shop(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteShop]:
    monkeypatch.setattr(writing, "_LONG_LOG", 5)
    shop = SqliteShop(FakeClock(), path)
    yield shop
    shop.close()


def test_who_reads_for_long_keeps_nobody_from_counting(
    shop: SqliteShop, path: Path
) -> None:
    till = Till(shop)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT max(seq) FROM change").fetchone()
        assert till.fill(MANY, most=20) == 20

        begun = time.perf_counter()
        writing._checkpointed(path)
        assert (
            time.perf_counter() - begun < writing._PATIENCE / 2
        )  # it locks others out

        assert till.fill(MANY, most=20) == 20
        assert reader.execute("SELECT max(seq) FROM change").fetchone() == before
    assert shop.observer.said == []


def test_the_log_is_short_again_when_nobody_reads(shop: SqliteShop, path: Path) -> None:
    till, log = Till(shop), path.with_name("state.db-wal")
    assert till.fill(MANY, most=20) == 20
    assert log.stat().st_size > 0

    writing._checkpointed(path)

    assert log.stat().st_size == 0
    assert Till(shop).state(MANY).limits[0].used == 20


def test_a_file_that_cannot_be_read_then_is_left_to_those_who_write(
    tmp_path: Path,
) -> None:
    writing._checkpointed(tmp_path / "no" / "state.db")
