"""A SQLite store whose nodes put off what they owe for as long as they may."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from tests.clocks import FakeClock, VirtualLoop
from tests.state.shops import SqliteShop

T = TypeVar("T")


class LateSqliteShop(SqliteShop):
    """What nodes owe is written at the last moment: just before the clock moves."""

    def __init__(self, clock: FakeClock, path: Path) -> None:
        super().__init__(clock, path)
        self._runner = asyncio.Runner(loop_factory=VirtualLoop)  # no timer goes off
        self._moment = clock.now

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        now, self.clock.now = self.clock.now, self._moment
        if now != self._moment:
            self.ring()
        self._moment = self.clock.now = now
        return self._runner.run(call)
