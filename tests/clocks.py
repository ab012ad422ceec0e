"""Time for tests: clocks that stand still until moved, and loops that never wait."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

import attrs

T = TypeVar("T")


class _NeverWaits(selectors.SelectSelector):
    """Nothing to read means that the time being waited for has come."""

    skipped = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing will happen"
            self.skipped += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """One whose time passes only while all wait for it."""

    def __init__(self) -> None:
        self._waits = _NeverWaits()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.skipped


def in_no_time(test: Coroutine[Any, Any, T]) -> T:
    """Run `test` on a loop whose clock jumps to whatever is waited for.

    For fakes only: with real sockets or threads the clock would run ahead of them.
    Nothing the test started may be left.
    """

    async def whole() -> T:
        result = await test
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(whole())


class LoopClock:
    """`core.state.Clock` as the loop of `in_no_time` has it."""

    def wall(self) -> float:
        return 1_750_000_000.0 + self.steady()

    def steady(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:  # it is yet to run
            return 0.0


@attrs.define
class FakeClock:
    """`core.state.Clock` that stands still until it is moved."""

    now: float = 1_000.0
    epoch: float = 1_750_000_000.0

    def wall(self) -> float:
        return self.epoch + self.now

    def steady(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
