"""Patience with a server, and not with ourselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

_TICKS = 5


@attrs.define(eq=False)
class Silence:
    """Whether a server has left this process without an answer, and given none since.

    Who has yet to ask it need not find that out by waiting, too.
    """

    on: bool = False


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """As `asyncio.timeout`, by a clock that stands still while the loop is busy.

    An answer that is here already, and could not be read yet, is not late. So a turn of
    the loop, however long, counts for a fifth of the time at most.

    Raises:
        TimeoutError: the time is over.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def tick(left: int) -> None:
        nonlocal timer
        if left:
            timer = loop.call_later(seconds / _TICKS, tick, left - 1)
        else:
            timeout.reschedule(loop.time())

    timer = loop.call_later(seconds / _TICKS, tick, _TICKS - 1)
    try:
        async with asyncio.timeout(None) as timeout:
            yield
    finally:
        timer.cancel()
