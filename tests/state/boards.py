"""What shares breakers and starts, of each kind, on one clock that stands still."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import attrs

from tests.clocks import FakeClock
from tests.state.servers import Server
from tests.state.shops import Notices
from tproxy.core.breaker import BreakerPolicy
from tproxy.core.failures import Failure
from tproxy.core.state import Breakers, Clock, Starts
from tproxy.state.board import Board, BoardLost, Link, Note
from tproxy.state.board_redis import RedisBoard
from tproxy.state.board_sqlite import SqliteBoard
from tproxy.state.memory import MemoryBreakers, MemoryStarts
from tproxy.state.shared import SharedBreakers, SharedStarts

T = TypeVar("T")

POLICY = BreakerPolicy(threshold=3, jitter=0.0, proofs=1)


@attrs.define(eq=False)
class FakeBoard:
    """`state.board.Board` in a dictionary; `lost` while it cannot be reached."""

    clock: Clock
    lost: bool = False
    calls: list[str] = attrs.field(factory=list)
    posted: dict[str, tuple[str, float]] = attrs.field(factory=dict)
    taken: MemoryStarts = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.taken = MemoryStarts(self.clock)

    async def post(self, name: str, said: str | None) -> None:
        await self._called("post")
        self.posted.pop(name, None)
        if said is not None:
            self.posted[name] = said, self.clock.steady()

    async def notes(self) -> Mapping[str, Note]:
        await self._called("notes")
        now = self.clock.steady()
        return {name: Note(said, now - at) for name, (said, at) in self.posted.items()}

    async def take(self, name: str, seconds: float) -> float:
        await self._called("take")
        return await self.taken.take(name, seconds)

    async def give_back(self, name: str) -> None:
        await self._called("give_back")
        await self.taken.give_back(name)

    async def close(self) -> None:
        """Nothing is held."""

    async def _called(self, what: str) -> None:
        self.calls.append(what)
        await asyncio.sleep(0)
        if self.lost:
            raise BoardLost("gone")


@attrs.define(eq=False)
class Node:
    """One process's end, called as if it were not async."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]
    breakers: Breakers
    starts: Starts
    link: Link | None = None
    said: list[str] = attrs.field(factory=list)

    def meet(self) -> None:
        """What happens in the background, once."""
        if isinstance(self.breakers, SharedBreakers):
            with suppress(BoardLost):
                self.run(self.breakers.meet())

    def resting(self, model: str = "m") -> float:
        [rest] = self.run(self.breakers.resting([model]))
        return float(rest)

    def asked(self, model: str = "m") -> None:
        self.breakers.asked(model)

    def failed(self, failure: Failure, model: str = "m") -> None:
        self.breakers.failed(model, failure)

    def succeeded(self, model: str = "m") -> None:
        self.breakers.succeeded(model)

    def take(self, name: str = "s", interval: float = 1.0) -> float:
        return float(self.run(self.starts.take(name, interval)))

    def give_back(self, name: str = "s") -> None:
        self.run(self.starts.give_back(name))


class MemoryHall:
    """All nodes are one, since there is one process."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.nodes: list[Node] = []
        self._runner = asyncio.Runner()
        self._breakers = MemoryBreakers(clock, POLICY)
        self._starts = MemoryStarts(clock)

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)

    def node(self) -> Node:
        return Node(self.run, self._breakers, self._starts)

    def meet(self) -> None:
        """Everybody has heard all that anybody has told."""
        for node in (*self.nodes, *self.nodes):
            node.meet()

    def close(self) -> None:
        self._runner.close()


class BoardHall(MemoryHall):
    """Each node has a way of its own to the board that `make` makes."""

    def __init__(self, clock: FakeClock, make: Callable[[FakeClock], Board]) -> None:
        super().__init__(clock)
        self._make = make

    def node(self, processes: int = 1) -> Node:
        notices = Notices()
        link = Link(self._make(self.clock), notices)
        here = MemoryStarts(self.clock)
        node = Node(
            self.run,
            SharedBreakers(self.clock, POLICY, lambda: 0.5, link=link),
            SharedStarts(link, here, processes),
            link,
            notices.said,
        )
        self.nodes.append(node)
        return node

    def leave(self, node: Node) -> None:
        assert node.link is not None
        self.nodes.remove(node)
        self.run(node.link.board.close())

    def close(self) -> None:
        for node in tuple(self.nodes):
            self.leave(node)
        super().close()


def sqlite_hall(clock: FakeClock, path: Path) -> BoardHall:
    return BoardHall(clock, lambda clock: SqliteBoard(path, clock))


def redis_hall(clock: FakeClock, server: Server) -> BoardHall:
    server.say("FLUSHALL")
    return BoardHall(clock, lambda clock: RedisBoard.at(server.url, 5.0, clock))


def numbered(folder: Path) -> Callable[[], Path]:
    """Paths of files that are not there yet."""
    numbers = itertools.count()
    return lambda: folder / f"board{next(numbers)}.db"
