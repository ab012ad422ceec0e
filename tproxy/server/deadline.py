"""A limit on waiting that costs next to nothing to move."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import attrs


@attrs.define(eq=False)
class Deadline:
    """Calls `expired` once it has passed, unless moved or cleared before.

    Moving it back, as every request does, leaves the timer where it is: when that
    fires too early, it is set again.
    """

    _loop: asyncio.AbstractEventLoop
    _expired: Callable[[], None]
    _due: float = attrs.field(default=math.inf, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    _fires: float = attrs.field(default=math.inf, init=False)

    def set(self, seconds: float) -> None:
        """Let it pass in so many seconds from now."""
        self._due = due = self._loop.time() + seconds
        if due < self._fires:
            if self._timer is not None:
                self._timer.cancel()
            self._fires = due
            self._timer = self._loop.call_at(due, self._fire)

    def clear(self) -> None:
        self._due = math.inf

    def cancel(self) -> None:
        """Let go of the timer as well, for good, and of whom to call."""
        self._due = math.inf
        self._expired = _nobody
        self._fires = -math.inf  # nothing sets it again
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer, self._fires = None, math.inf
        if self._due == math.inf:
            return
        # The loop rounds: it may call a millisecond early.
        if self._loop.time() < self._due - 0.001:
            self._fires = self._due
            self._timer = self._loop.call_at(self._due, self._fire)
        else:
            self._due = math.inf
            self._expired()


def _nobody() -> None:
    """Whom a deadline calls that was cancelled."""
