"""Boards that are away, wiped, or full of lies, and what processes do meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.clocks import FakeClock
from tests.state.boards import POLICY, BoardHall, FakeBoard, Node, sqlite_hall
from tests.state.servers import Server
from tests.state.shops import Notices, RealClock
from tproxy.core import failures
from tproxy.state.board import Board, BoardLost, Link
from tproxy.state.board_redis import RedisBoard
from tproxy.state.board_sqlite import SqliteBoard
from tproxy.state.memory import MemoryStarts
from tproxy.state.shared import SharedBreakers, SharedStarts

AWAY = "breakers and throttles are not shared for now"
BACK = "breakers and throttles are shared again"


PROCESSES = 4


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def board(clock: FakeClock) -> FakeBoard:
    return FakeBoard(clock)


@pytest.fixture
def pair(clock: FakeClock, board: FakeBoard) -> Iterator[tuple[Node, Node]]:
    hall = BoardHall(clock, lambda _: board)
    yield hall.node(PROCESSES), hall.node(PROCESSES)
    hall.close()


def lose(board: FakeBoard, *nodes: Node) -> None:
    board.lost = True
    for node in nodes:
        for _ in range(3):
            node.meet()


def test_without_the_board_each_goes_on_alone(
    board: FakeBoard, pair: tuple[Node, Node], clock: FakeClock
) -> None:
    one, other = pair
    lose(board, one, other)
    one.failed(failures.AUTH)
    one.meet()

    assert one.resting() == 10.0
    assert other.resting() == 0.0
    clock.advance(10.0)
    called = len(board.calls)
    assert one.resting() == 0.0
    one.asked()
    assert one.resting() == 10.0
    assert len(board.calls) == called  # no request waits for it
    assert one.said == other.said == [AWAY]


def test_what_could_not_be_told_is_told_later(
    board: FakeBoard, pair: tuple[Node, Node]
) -> None:
    one, other = pair
    lose(board, one, other)
    one.failed(failures.AUTH)
    board.lost = False
    for node in (one, other):
        node.meet()

    assert other.resting() == 10.0
    assert one.said == other.said == [AWAY, BACK]


def test_a_start_has_its_part_of_the_time_while_the_board_is_away(
    board: FakeBoard, pair: tuple[Node, Node], clock: FakeClock
) -> None:
    one, _ = pair
    assert one.take() == 0.0
    lose(board, one)

    assert one.take() == 4.0
    clock.advance(4.0)
    assert one.take() == 0.0
    one.give_back()
    assert one.take() == 0.0
    assert "give_back" not in board.calls


def test_one_call_that_fails_is_not_the_end_of_sharing(
    board: FakeBoard, pair: tuple[Node, Node]
) -> None:
    one, other = pair
    board.lost = True
    assert one.take() == 0.0
    board.lost = False
    assert (other.take(), one.take()) == (0.0, 1.0)
    assert one.said == []


def test_a_board_that_was_wiped_is_told_again(
    board: FakeBoard, pair: tuple[Node, Node]
) -> None:
    one, other = pair
    one.failed(failures.AUTH)
    one.meet()
    other.meet()
    board.posted.clear()
    one.meet()
    other.meet()

    assert one.resting() == other.resting() == 10.0
    assert len(board.posted) == 1


@pytest.mark.parametrize(
    "said",
    [
        *("", "5", "[1]", "{}", '["a", 1, 1, 1, 1]', "[1, 1, 1, NaN, 1]"),
        *("[Infinity, 1, 1, 1, 1]", "[" * 100_000),
    ],
    ids=lambda said: said[:20],
)
def test_a_note_that_makes_no_sense_is_replaced(
    board: FakeBoard, pair: tuple[Node, Node], said: str
) -> None:
    one, _ = pair
    board.posted["breaker/m"] = said, board.clock.steady()
    one.meet()

    assert one.resting() == 0.0
    assert board.posted["breaker/m"][0] == "[0, 0, 0, 0.0, 0.0]"


def test_a_note_bans_nobody(board: FakeBoard, pair: tuple[Node, Node]) -> None:
    one, _ = pair
    board.posted["breaker/m"] = "[1e99, 1, -1, 1e99, 1e99]", board.clock.steady()
    one.meet()

    assert one.resting() == POLICY.max_rest


def test_who_opens_the_file_alone_begins_anew(tmp_path: Path) -> None:
    hall = sqlite_hall(FakeClock(), tmp_path / "b")
    one, other = hall.node(), hall.node()
    one.failed(failures.AUTH)
    hall.meet()
    hall.leave(one)
    late = hall.node()
    late.meet()
    assert late.resting() == 10.0

    hall.leave(late)
    hall.leave(other)
    anew = hall.node()
    anew.meet()
    assert anew.resting() == 0.0
    hall.close()


def _asked_thrice(board: Board) -> list[float | str]:
    async def test() -> list[float | str]:
        told: list[float | str] = []
        for _ in range(3):
            try:
                told.append(await board.take("s", 1.0))
            except BoardLost as error:
                told.append(str(error))
        await board.close()
        return told

    return asyncio.run(test())


def test_a_file_that_is_locked_is_lost_soon(tmp_path: Path) -> None:
    path = tmp_path / "b"
    first = SqliteBoard(path, FakeClock())
    assert asyncio.run(first.take("s", 1.0)) == 0.0
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BoardLost, match="locked"):
            asyncio.run(first.take("s", 1.0))
    assert asyncio.run(first.take("s", 1.0)) == 1.0
    asyncio.run(first.close())


def test_a_moment_of_another_clock_makes_nobody_wait(tmp_path: Path) -> None:
    early, late = FakeClock(1_000.0), FakeClock(900_000.0)
    boards = [SqliteBoard(tmp_path / "b", clock) for clock in (late, early)]

    async def test() -> None:
        assert [await board.take("s", 1.0) for board in boards] == [0.0, 0.0]
        for board in boards:
            await board.close()

    asyncio.run(test())


@pytest.mark.parametrize("fault", ["corrupt", "a folder", "of another version"])
def test_a_file_that_cannot_be_used_is_lost(
    tmp_path: Path, fault: str, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "b"
    match fault:
        case "corrupt":
            path.write_bytes(b"nothing of the kind" * 99)
        case "a folder":
            path.mkdir()
        case _:
            other = sqlite3.connect(path)
            other.execute("PRAGMA journal_mode = WAL")
            other.execute("PRAGMA user_version = 99")
            request.addfinalizer(other.close)

    told = _asked_thrice(SqliteBoard(path, FakeClock()))
    assert all(str(path) in str(each) for each in told)


def test_redis_may_die_and_come_back(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.start()
    notices, clock = Notices(), RealClock()
    link = Link(RedisBoard.at(server.url), notices)
    breakers = SharedBreakers(clock, link=link)
    starts = SharedStarts(link, MemoryStarts(clock))

    async def test() -> None:
        await breakers.meet()
        assert await starts.take("s", 60.0) == 0.0
        breakers.failed("m", failures.AUTH)
        server.kill()
        for _ in range(3):
            with pytest.raises(BoardLost):
                await breakers.meet()
        assert (await breakers.resting(["m"]))[0] > 5.0
        assert await starts.take("s", 60.0) > 50.0  # as it knows by itself
        server.start()
        await breakers.meet()
        assert "breaker/m" in await link.board.notes()
        await link.board.close()

    try:
        asyncio.run(test())
    finally:
        server.kill()
    assert notices.said == [AWAY, BACK]
