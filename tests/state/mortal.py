"""A node of real time on a Redis that may die, hang or lie, and how long it waits."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from tests.state.shops import Notices, RealClock, budget, requests
from tproxy.core.budget import Budget
from tproxy.core.leases import LEASE_SECONDS, Denial, Lease
from tproxy.core.windows import HOUR
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script
from tproxy.state.standin import OnLoss

WHOSE = budget(requests(40, HOUR))
LONGEST = 0.5  # seconds; it is 0.1, but the machine may be busy
AWAY, BACK = "Redis is away", "Redis is back"


@contextlib.asynccontextmanager
async def node(
    url: str, name: str = "a", on_loss: OnLoss = OnLoss.SHARE
) -> AsyncIterator[tuple[RedisQuotas, Notices]]:
    clock, notices = RealClock(), Notices()
    script = Script.at(url, name)
    quotas = RedisQuotas(Remote(script, clock), clock, notices, name, on_loss)
    await quotas.start()
    try:
        yield quotas, notices
    finally:
        await quotas.close()
        await script.close()


async def fill(quotas: RedisQuotas, most: int = 200) -> int:
    """How many are admitted now; none may have to wait for long."""
    for taken in range(most):
        begun = time.monotonic()
        lease = await quotas.reserve([WHOSE])
        assert time.monotonic() - begun < LONGEST
        if isinstance(lease, Denial):
            return taken
        await quotas.settle(lease)
    return most


async def held(
    quotas: RedisQuotas, whose: Budget, most: int = 20, seconds: float = LEASE_SECONDS
) -> list[Lease]:
    """All that can be had at once, `most` of them at most, and still under way."""
    leases: list[Lease] = []
    while len(leases) < most:
        lease = await quotas.reserve([whose], lease_seconds=seconds)
        if isinstance(lease, Denial):
            break
        leases.append(lease)
    return leases


async def until(said: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not said():  # noqa: ASYNC110 - it is not ours to tell
            await asyncio.sleep(0.01)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)
