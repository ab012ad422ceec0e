"""A process that takes from one budget whatever it can get.

It writes a dot for each request admitted, as soon as it knows, and ends when it was
refused so many times: `python -m tests.state.worker KIND WHERE LIMIT REFUSALS`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from tests.state.shops import Notices, RealClock, budget, requests
from tproxy.core.leases import Lease, QuotaStore
from tproxy.core.windows import HOUR
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script
from tproxy.state.sqlite import SqliteQuotas

_TASKS = 8


async def work(store: QuotaStore, limit: int, refusals: int) -> None:
    """Several requests at once, each settled while the next is asked for."""
    whose = [budget(requests(limit, HOUR), requests(10 * limit, 30.0), name="shared")]
    refused = 0

    async def ask() -> None:
        nonlocal refused
        while refused < refusals:
            lease = await store.reserve(whose)
            if isinstance(lease, Lease):
                os.write(1, b".")
                await asyncio.sleep(0)
                await store.settle(lease)
            else:
                refused += 1
                await asyncio.sleep(0)

    await asyncio.gather(*(ask() for _ in range(_TASKS)))


async def main(kind: str, where: str, limit: str, refusals: str) -> None:
    clock, notices = RealClock(), Notices()
    if kind == "sqlite":
        store = SqliteQuotas(Path(where), clock, notices)
        await work(store, int(limit), int(refusals))
        store.close()
    else:
        node = f"process{os.getpid()}"
        script = Script.at(where, node, patience=10.0)
        remote = RedisQuotas(Remote(script, clock), clock, notices, node)
        await remote.start()
        await work(remote, int(limit), int(refusals))
        await remote.close()
        await script.close()
    assert notices.said == []


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
