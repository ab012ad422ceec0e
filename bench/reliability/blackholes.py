"""F3: half of the upstreams take requests and say nothing, or never take a connection.

Ten models, five at each provider. Half of them go away in mid-traffic: the one provider
is stopped (SIGSTOP), so that the system accepts for it; or five stand at a port that
accepts nobody. Limits of time are scaled from 30 s to 1. A provider that comes back has
to be asked again as soon as its breakers let one request through.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import processes, wire
from bench.load import Report, load
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.wire import Plan

_EACH = 5  # models
_LIMITS = (
    "http_client_config: {connect_timeout_seconds: 1, first_byte_timeout_seconds: 1,"
    " timeout_seconds: 1}"
)
_RATE = 100.0  # requests a second, half of them streams
_HEALTHY_SECONDS = 1.0


def run(folder: Path, scale: float) -> Iterator[Figure]:
    with (
        processes.provider(folder) as healthy,
        processes.provider(folder) as silent,
        house.full_listener() as full,
    ):
        config = _config(healthy.port, silent.port)
        with house.serving(folder / "silent", config) as proxy:
            reports = wire.run(_with_one_stopped(proxy, silent.pid, 20 * scale))
        yield from _figures("silent", proxy, reports)
        config = _config(healthy.port, full)
        with house.serving(folder / "full", config) as proxy:
            reports = wire.run(_asked(proxy, 20 * scale))
        yield from _figures("never connected", proxy, reports)
        config = _config(healthy.port, silent.port)
        with house.serving(folder / "back", config) as proxy:
            yield from wire.run(_recovery(proxy, silent.pid, 3.0))


def _config(*ports: int) -> str:
    models = [
        house.model(f"{side}-{number}", port, _LIMITS, category="bench")
        for side, port in enumerate(ports)
        for number in range(_EACH)
    ]
    return house.config(models)


async def _asked(proxy: House, seconds: float) -> list[Report]:
    plans = Plan(), Plan(chunks=5, gap=0.002)
    return await asyncio.gather(
        *(
            load(
                *(proxy.daemon.port, plan),
                connections=200,
                seconds=seconds,
                rate=_RATE / len(plans),
            )
            for plan in plans
        )
    )


async def _with_one_stopped(proxy: House, pid: int, seconds: float) -> list[Report]:
    """The same, and after a moment one provider stops."""
    asking = asyncio.create_task(_asked(proxy, seconds))
    await asyncio.sleep(_HEALTHY_SECONDS)
    with _stopped(pid):
        return await asking


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _figures(kind: str, proxy: House, reports: list[Report]) -> Iterator[Figure]:
    asked = sum(report.requests for report in reports)
    failed = sum(sum(report.problems.values()) for report in reports)
    logged = [line for line in proxy.requests() if "asked" in line]
    calls = sum(len(line.get("attempts", ())) for line in logged)
    yield Figure(f"half {kind}: answered", 100 * (1 - failed / asked), "%", least=99.5)
    yield Figure(f"half {kind}: calls a request", calls / asked, "×", most=1.2)
    slowest = max(report.whole[1] for report in reports)
    yield Figure(f"half {kind}: whole answer, p99", slowest, "s")


async def _recovery(proxy: House, pid: int, seconds: float) -> list[Figure]:
    """How long after its provider came back is a model asked again?"""
    asking = asyncio.create_task(_asked(proxy, 60.0))
    await asyncio.sleep(_HEALTHY_SECONDS)
    with _stopped(pid):
        await asyncio.sleep(seconds)
    back = time.perf_counter()
    rests = await asyncio.to_thread(_resting, proxy)
    rest = max(rests, default=0.0)
    while rests and time.perf_counter() - back < 30:
        await asyncio.sleep(0.05)
        rests = await asyncio.to_thread(_resting, proxy)
    took = time.perf_counter() - back
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    return [
        Figure("back again: longest rest that was left", rest, "s"),
        Figure("back again: all asked as before, after", took, "s", most=rest + 1),
    ]


def _resting(proxy: House) -> list[float]:
    """Of breakers that are not closed, the seconds that are left."""
    breakers = proxy.status()["breakers"]
    return [each["resting_for"] for each in breakers if each["state"] != "closed"]
