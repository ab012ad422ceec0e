"""Who asks SQLite in the same turn of the loop shares a transaction: each has its own
yes or no, and nobody has taken what it does not know of."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.clocks import FakeClock, in_no_time
from tests.state.shops import Notices, SqliteShop, Till, budget, requests
from tests.state.test_interleavings import (
    BOTH,
    LIMIT,
    MOST_STEPS,
    OWN,
    Killed,
    held,
    held_without_waiting,
    stepping,
)
from tests.state.test_writing import rows
from tproxy.core.leases import LEASE_SECONDS, STORE, Denial, Lease
from tproxy.core.windows import MINUTE
from tproxy.state.archive import Archive
from tproxy.state.moments import Moment
from tproxy.state.sqlite import SqliteQuotas

THREE = budget(requests(3))
UNSTORED = Denial("", STORE, 1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def shop(path: Path) -> Iterator[SqliteShop]:
    shop = SqliteShop(FakeClock(), path)
    yield shop
    shop.close()


@contextmanager
def node(path: Path) -> Iterator[SqliteQuotas]:
    store = SqliteQuotas(path, FakeClock(), Notices(), boot="b")
    store._journal._whole_every = 1 << 30
    yield store
    store.close()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        yield


async def at_once(store: SqliteQuotas, count: int) -> list[Lease | Denial]:
    return await asyncio.gather(*(store.reserve([THREE]) for _ in range(count)))


def under_way(store: SqliteQuotas) -> int:
    return len(store._journal.archive.ledger.held)


def test_who_asks_alone_does_not_wait_for_the_loop_to_turn(path: Path) -> None:
    async def test() -> None:
        with node(path) as store:
            for _ in range(3):
                asking = store.reserve([THREE])
                with pytest.raises(StopIteration) as done:
                    asking.send(None)
                assert isinstance(done.value.value, Lease)
                await asyncio.sleep(0)

    in_no_time(test())


def test_those_who_ask_at_once_are_written_together_in_their_order(path: Path) -> None:
    async def test() -> None:
        with node(path) as store:
            results = await at_once(store, 9)
            assert [isinstance(r, Lease) for r in results] == [True] * 3 + [False] * 6
            ids = [result.id for result in results if isinstance(result, Lease)]
            assert ids == sorted(set(ids), key=int)
            assert rows(path) == 3  # of opening, of the first, and of the others

    in_no_time(test())


@pytest.mark.parametrize("turns", [0, 1])
def test_who_leaves_meanwhile_has_taken_nothing(path: Path, turns: int) -> None:
    """Whether it was served already, and only had not heard of it."""

    async def test() -> None:
        with node(path) as store:
            tasks = [asyncio.ensure_future(store.reserve([THREE])) for _ in range(3)]
            for _ in range(1 + turns):
                await asyncio.sleep(0)
            assert under_way(store) == (3 if turns else 1)
            tasks[1].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [isinstance(r, Lease) for r in results] == [True, False, True]
            [state] = await store.snapshot([THREE])
            assert state.under_way == state.limits[0].used == 2

    in_no_time(test())


def test_who_meets_a_lock_waits_a_second_whoever_else_waits(path: Path) -> None:
    async def test() -> None:
        loop, refused = asyncio.get_running_loop(), []

        async def ask(store: SqliteQuotas, after: float) -> None:
            await asyncio.sleep(after)
            assert await store.reserve([THREE]) == UNSTORED
            refused.append(loop.time() - after)

        with node(path) as store:
            with locked(path):
                await asyncio.gather(*(ask(store, n * 0.3) for n in range(90)))
            assert refused == pytest.approx([1.0] * 90, abs=0.03)
            assert under_way(store) == 0
            results = await at_once(store, 4)
            assert [isinstance(result, Lease) for result in results].count(True) == 3

    in_no_time(test())


def test_who_waits_for_a_lock_gets_it_with_all_who_wait(path: Path) -> None:
    async def test() -> None:
        with node(path) as store:
            with locked(path):
                asking = asyncio.ensure_future(at_once(store, 9))
                await asyncio.sleep(0.5)
            results = await asking
            assert [isinstance(r, Lease) for r in results] == [True] * 3 + [False] * 6
            assert rows(path) == 2

    in_no_time(test())


def test_a_mistake_of_ours_is_everybodys_and_stores_nothing(path: Path) -> None:
    def mistaken(_: Archive, now: Moment) -> None:
        raise LookupError(now)

    async def test() -> None:
        with node(path) as store:
            asking = [store.reserve([THREE]), store._writer.do(mistaken)]
            asking.append(store.reserve([THREE]))
            results = await asyncio.gather(*asking, return_exceptions=True)
            assert [type(each) for each in results] == [Lease, LookupError, LookupError]
            later = await at_once(store, 3)
            assert [isinstance(result, Lease) for result in later].count(True) == 2

    in_no_time(test())


def three(till: Till) -> list[Lease]:
    async def ask() -> list[Lease | Denial | BaseException]:
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        asking = [asyncio.ensure_future(till.store.reserve(BOTH)) for _ in range(3)]
        _, left = await asyncio.wait(asking, timeout=0.05)
        for task in left:  # nobody is there any more to answer
            task.cancel()
        return await asyncio.gather(*asking, return_exceptions=True)

    return [each for each in till.shop.run(ask()) if isinstance(each, Lease)]


def test_another_process_may_act_between_any_two_statements_for_several(
    tmp_path: Path,
) -> None:
    for at in range(1, MOST_STEPS):
        shop = SqliteShop(FakeClock(), tmp_path / f"{at}.db")
        one, other = Till(shop), Till(shop)
        theirs: list[Lease] = []

        with stepping(one, lambda: theirs.extend(held_without_waiting(other)), at) as s:  # noqa: B023
            mine = three(one)

        theirs += held(other)
        assert len(mine) + len(theirs) == LIMIT
        states = [node.state(OWN) for node in (one, other, Till(shop))]
        assert {state.under_way for state in states} == {LIMIT}
        shop.close()
        if s.step < at:
            return
    raise AssertionError("it never ends")


def test_a_process_may_die_between_any_two_statements_for_several(
    tmp_path: Path,
) -> None:
    def die() -> None:
        steps.at += 1  # nor does anything happen later
        raise Killed

    stored = set()
    for at in range(1, MOST_STEPS):
        shop = SqliteShop(FakeClock(), tmp_path / f"{at}.db")
        dying, other = Till(shop), Till(shop)
        with stepping(dying, die, at) as steps:
            three(dying)
        assert isinstance(dying.store, SqliteQuotas)
        shop._open.remove(dying.store)
        dying.store._journal.close()

        theirs = held(other)
        stored.add(LIMIT - len(theirs))
        for each in theirs:
            other.release(each)
        shop.clock.advance(LEASE_SECONDS)
        assert other.state(OWN).under_way == 0
        shop.clock.advance(10 * MINUTE)
        assert len(held(other)) == LIMIT
        shop.close()
        if steps.step < at:
            break
    assert stored == {0, 1, 3}  # none, the first, or all of them
