"""L7: 50 prompts of 100,000 tokens at a time: does the loop still turn?

Beside them somebody asks for /ping, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

from bench import processes, wire
from bench.load import load, percentiles
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.wire import Plan

_BYTES = 400_000  # 100,000 tokens
_AT_ONCE = 50
_PAUSE = 0.02  # seconds between pings


def run(folder: Path, scale: float) -> Iterator[Figure]:
    seconds = max(8 * scale, 1)
    with processes.provider(folder) as provider:
        limits = "http_client_config: {max_conns_per_host: 400}"
        config = house.config([house.model("bench", provider.port, limits)])
        with house.serving(folder / "proxy", config) as proxy:
            # A chat takes its time, so that 50 are always under way.
            busy = Plan(delay=0.5)
            yield from wire.run(_pinged(proxy, busy, seconds, "50 at a time"))
            yield from wire.run(_pinged(proxy, Plan(), seconds, "50 without pause"))


async def _pinged(proxy: House, plan: Plan, seconds: float, name: str) -> list[Figure]:
    port = proxy.daemon.port
    asking = asyncio.create_task(
        load(port, plan, connections=_AT_ONCE, seconds=seconds, size=_BYTES)
    )
    await asyncio.sleep(seconds / 8)
    await asyncio.to_thread(proxy.seen)  # and forget what came before
    pings = await asyncio.create_task(pinging(port, seconds * 3 / 4))
    seen = await asyncio.to_thread(proxy.seen)
    report = await asking
    problems = sum(report.problems.values())
    _, lag, longest = (1e3 * each for each in seen.lag)
    return [
        Figure(f"{name}: prompts", report.requests),
        Figure(f"{name}: failed", problems, most=0),
        Figure(f"{name}: loop is late, p99", lag, "ms", most=50),
        Figure(f"{name}: loop is late, at most", longest, "ms"),
        Figure(f"{name}: /ping, p99", percentiles(pings)[1] * 1e3, "ms", most=100),
    ]


async def pinging(port: int, seconds: float) -> list[float]:
    """Ask for /ping every `_PAUSE`; how long each answer took."""
    reader, writer = await asyncio.open_connection(wire.HOST, port)
    until, took = time.perf_counter() + seconds, []
    while (begun := time.perf_counter()) < until:
        writer.write(b"GET /ping HTTP/1.1\r\nHost: proxy\r\n\r\n")
        await reader.readuntil(b"\r\n\r\nOK")
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(_PAUSE)
    writer.close()
    return took
