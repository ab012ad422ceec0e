"""What a reservation costs: three budgets of three limits each, in each store.

Each figure is the median of as many calls, each in a turn of the loop of its own, with
fifty leases open; every one is settled with other tokens than were reserved. In SQLite
those who ask in the same turn share a transaction, so some are measured at once. For
Redis the time of a reservation in the server (`INFO commandstats`) is told beside the
round trip's. Run it as `python -m bench.quotas [--quick]`; SQLite writes where `TMPDIR`
is.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import deque
from pathlib import Path

import attrs
from redis.asyncio import Redis

from tests.state.servers import Server
from tests.state.shops import RealClock
from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.events import Event
from tproxy.core.leases import Lease, QuotaStore
from tproxy.core.windows import DAY, HOUR, MINUTE, Kind, Window
from tproxy.state.memory_quotas import MemoryQuotas
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script
from tproxy.state.sqlite import SqliteQuotas

PLENTY = 10**9
UNDER_WAY = 50
AT_ONCE = (2, 8, 32)
RESERVED, ACTUAL = Cost(1, 900), Cost(1, 641)
WINDOWS = (
    Window(MINUTE),
    Window(HOUR),
    Window(DAY, Kind.CALENDAR, "America/Los_Angeles"),
)


class Silent:
    """An observer that hears nothing of note, or else the figures are worth nothing."""

    def emit(self, event: Event) -> None:
        raise AssertionError(event)


@attrs.frozen
class Measured:
    """Microseconds, sorted."""

    reserve: list[float]
    settle: list[float]

    def line(self, name: str) -> str:
        parts = [f"{name:<28}"]
        for taken in (self.reserve, self.settle):
            p99 = taken[len(taken) * 99 // 100]
            parts.append(f"{statistics.median(taken):>9.1f} {p99:>9.1f}")
        return " ".join(parts)


def budgets(*units: Unit, share: float | None = None) -> tuple[Budget, ...]:
    limits = tuple(Limit(unit, PLENTY, window) for window in WINDOWS for unit in units)
    names = ("model", "account", "client")
    return tuple(Budget(name, limits, share=share) for name in names)


async def measured(
    store: QuotaStore, whose: tuple[Budget, ...], calls: int
) -> Measured:
    reserve, settle = [], []
    under_way: deque[Lease] = deque()
    for _ in range(calls):
        begun = time.perf_counter()
        lease = await store.reserve(whose, RESERVED)
        reserve.append((time.perf_counter() - begun) * 1e6)
        assert isinstance(lease, Lease), lease
        under_way.append(lease)
        if len(under_way) > UNDER_WAY:
            begun = time.perf_counter()
            await store.settle(under_way.popleft(), ACTUAL)
            settle.append((time.perf_counter() - begun) * 1e6)
        await asyncio.sleep(0)
    return Measured(sorted(reserve), sorted(settle))


async def at_once(
    store: QuotaStore, whose: tuple[Budget, ...], count: int, calls: int
) -> float:
    """Microseconds for each of so many reservations, which are settled together."""

    async def ask() -> None:
        lease = await store.reserve(whose, RESERVED)
        assert isinstance(lease, Lease), lease
        await asyncio.sleep(0)
        await store.settle(lease, ACTUAL)

    taken = []
    for _ in range(calls // count):
        begun = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(count)))
        taken.append((time.perf_counter() - begun) * 1e6 / count)
    return statistics.median(taken)


async def in_the_server(
    url: str, quotas: RedisQuotas, whose: tuple[Budget, ...], calls: int
) -> float:
    """The mean of so many calls, of which the median of twenty."""
    means: list[float] = []
    async with Redis.from_url(url) as redis:
        for _ in range(20):
            await redis.config_resetstat()
            for _ in range(calls):
                await quotas.reserve(whose, RESERVED, lease_seconds=600.0)
            stats = await redis.info("commandstats")
            means.append(stats["cmdstat_evalsha"]["usec_per_call"])
    return statistics.median(means)


async def in_redis(
    server: Server, name: str, whose: tuple[Budget, ...], calls: int
) -> str:
    server.say("FLUSHALL")
    clock = RealClock()
    script = Script.at(server.url, "bench", patience=5.0)
    quotas = RedisQuotas(Remote(script, clock), clock, Silent(), "bench")
    try:
        await quotas.start()
        taken = await measured(quotas, whose, calls)
        served = await in_the_server(server.url, quotas, whose, calls // 20)
        return f"{taken.line(name)}   {served:.1f} to reserve, in the server"
    finally:
        await quotas.close()
        await script.close()


async def bench(calls: int) -> None:
    clock = RealClock()
    nine, shared = budgets(Unit.REQUESTS), budgets(Unit.REQUESTS, share=0.7)
    print(f"{'µs':<28} {'reserve':>9} {'p99':>9} {'settle':>9} {'p99':>9}")
    for name, whose in (
        ("memory, no budgets", ()),
        ("memory, no limits", (Budget("free"),)),
        ("memory, one limit", (Budget("one", nine[0].limits[:1]),)),
        ("memory", nine),
        ("memory, shared", shared),
        ("memory, tokens as well", budgets(Unit.REQUESTS, Unit.TOKENS)),
    ):
        print((await measured(MemoryQuotas(clock), whose, calls)).line(name))
    with tempfile.TemporaryDirectory() as folder:
        for name, whose in (("sqlite", nine), ("sqlite, shared", shared)):
            file = SqliteQuotas(Path(folder) / f"{name}.db", clock, Silent())
            print((await measured(file, whose, calls)).line(name))
            for count in AT_ONCE:
                each = await at_once(file, whose, count, calls)
                print(f"{f'{name}, {count} at once':<28} {each:>9.1f} with settling")
            file.close()
        server = Server(Path(folder))
        server.start()
        try:
            for name, whose in (("redis", nine), ("redis, shared", shared)):
                print(await in_redis(server, name, whose, calls // 4))
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    asyncio.run(bench(400 if parser.parse_args().quick else 20_000))


if __name__ == "__main__":
    main()
