"""SQLite's file is locked, or full, for longer than a lease lasts: whoever lives keeps
its place, however late it can say so, and whoever died gives it back in the end."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.state.late_shop import LateSqliteShop
from tests.state.shops import Till, budget, tokens
from tproxy.core.budget import Cost
from tproxy.core.leases import CONCURRENCY, HEARTBEAT_SECONDS, LEASE_SECONDS, Lease
from tproxy.state import writing

NARROW = budget(tokens(9_000), max_concurrent=2)
COST = Cost(1, 1_000)
Outage = Callable[[Path, list[Till]], AbstractContextManager[None]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shop(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LateSqliteShop]:
    monkeypatch.setattr(writing, "_PATIENCE", 0.01)
    shop = LateSqliteShop(FakeClock(), path)
    yield shop
    shop.close()


@contextmanager
def locked(path: Path, _: list[Till]) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def unwritable(_: Path, tills: list[Till]) -> Iterator[None]:
    """As on a disk that is full."""
    databases = [till.store._journal._db for till in tills]  # type: ignore[attr-defined]
    for database in databases:
        database.execute("PRAGMA query_only = 1")
    yield
    for database in databases:
        database.execute("PRAGMA query_only = 0")


def beats(till: Till, *leases: Lease) -> None:
    till.extend(*leases, seconds=LEASE_SECONDS)


def under_way(till: Till) -> int:
    return till.state(NARROW).under_way


@pytest.mark.parametrize("outage", [locked, unwritable])
@pytest.mark.parametrize("first", ["the owner", "another", "one who idles"])
@pytest.mark.parametrize("beats_in_vain", [4, 40])
def test_who_lives_keeps_its_place_whoever_comes_first(
    shop: LateSqliteShop, path: Path, outage: Outage, first: str, beats_in_vain: int
) -> None:
    """Others wait until all who live have had time to say so."""
    owner, another, idle = tills = [Till(shop) for _ in range(3)]
    mine, theirs = owner.take(NARROW, cost=COST), another.take(NARROW, cost=COST)
    with outage(path, tills):
        for _ in range(beats_in_vain):
            shop.clock.advance(HEARTBEAT_SECONDS)
            beats(owner, mine)
            beats(another, theirs)
            beats(idle)

    order = {"the owner": owner, "another": another, "one who idles": idle}
    assert order[first].denied(NARROW).limit == CONCURRENCY
    shop.ring()
    shop.clock.advance(HEARTBEAT_SECONDS)
    for till in tills:
        assert till.denied(NARROW).limit == CONCURRENCY
        assert under_way(till) == 2
    owner.settle(mine, Cost(1, 100))
    another.settle(theirs, Cost(1, 200))
    shop.ring()
    assert {till.state(NARROW).limits[0].used for till in tills} == {300}


def test_who_died_meanwhile_gives_its_place_back_one_lease_later(
    shop: LateSqliteShop, path: Path
) -> None:
    dying, till = Till(shop), Till(shop)
    dying.take(NARROW, cost=COST)
    with locked(path, []):
        for _ in range(4):
            shop.clock.advance(HEARTBEAT_SECONDS)
            beats(till)
    shop.crash(dying.store)

    shop.clock.advance(LEASE_SECONDS - 0.01)
    assert under_way(till) == 1
    shop.clock.advance(0.01)
    assert under_way(till) == 0
    assert till.state(NARROW).limits[0].used == 1_000


def test_who_has_begun_since_knows_of_nothing_and_takes_no_count_away(
    shop: LateSqliteShop, path: Path
) -> None:
    """It frees the place; and the owner holds it again from its next word on."""
    owner = Till(shop)
    mine = owner.take(NARROW, cost=COST)
    with locked(path, []):
        for _ in range(4):
            shop.clock.advance(HEARTBEAT_SECONDS)
            beats(owner, mine)
    stranger = Till(shop)
    assert under_way(stranger) == 0
    assert stranger.state(NARROW).limits[0].used == 1_000

    shop.ring()

    assert under_way(stranger) == under_way(owner) == 1
    owner.settle(mine, Cost(1, 5_000))
    assert stranger.state(NARROW) == owner.state(NARROW)
    assert owner.state(NARROW).limits[0].used == 5_000


@pytest.mark.parametrize("whole_every", [1, 1_000])
def test_all_processes_agree_on_who_has_expired(
    shop: LateSqliteShop, whole_every: int
) -> None:
    """Whether they read of it or were there, or read the whole ledger since."""
    tills = [Till(shop) for _ in range(3)]
    for till in tills:
        till.store._journal._whole_every = whole_every  # type: ignore[attr-defined]
    leases = [till.take(NARROW, cost=COST) for till in tills[:2]]
    for _ in range(6):
        shop.clock.advance(HEARTBEAT_SECONDS)
        beats(tills[0], leases[0])
    assert {under_way(till) for till in tills} == {1}

    beats(tills[1], leases[1])

    assert {under_way(till) for till in tills} == {2}
    books = [till.store._journal.archive.dump() for till in tills]  # type: ignore[attr-defined]
    assert len(set(books)) == 1
