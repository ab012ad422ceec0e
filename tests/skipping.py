"""A loop with real sockets whose clock jumps to what is waited for.

Whoever is to speak is in the same process, so where the sockets are silent for a
moment nobody is about to. Limits in a test can then be as long as in reality, and a
slow machine does not overstep them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_MOMENT = 0.02  # seconds that the network may take between two ends on this machine


class _Skips(selectors.DefaultSelector):
    skipped = 0.0

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= _MOMENT:
            return super().select(timeout)
        ready = super().select(_MOMENT)
        if not ready:
            self.skipped += timeout - _MOMENT
        return ready


class SkippingLoop(asyncio.SelectorEventLoop):
    """`time()` is the machine's, and what has been skipped."""

    def __init__(self) -> None:
        self._skips = _Skips()
        super().__init__(self._skips)

    def time(self) -> float:
        return super().time() + self._skips.skipped


def run_skipping(test: Coroutine[Any, Any, T]) -> T:
    """Run `test`; nothing of it may be left."""

    async def whole() -> T:
        result = await test
        for _ in range(3):  # connections that are closing
            await asyncio.sleep(0)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, left
        return result

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(whole())
