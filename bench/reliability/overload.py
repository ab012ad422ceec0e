"""L8: three times as many requests as there is room for.

First with providers that take their time, as they do: what is full then is the number
of requests under way. Then with one that answers at once, so that it is the CPU.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Caller, load, percentiles
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.reliability.prompts import pinging
from bench.wire import Plan

_PLACES = 60  # requests under way
_SLOW = Plan(delay=0.2)
_CAPACITY = _PLACES / _SLOW.delay  # requests a second


def run(folder: Path, scale: float) -> Iterator[Figure]:
    seconds = max(6 * scale, 1)
    with processes.provider(folder) as provider:
        models = [house.model("bench", provider.port)]
        server = f"server: {{max_in_flight: {_PLACES}}}"
        config = house.config(models, house.MEMORY, server)
        with house.serving(folder / "places", config) as proxy:
            yield from wire.run(_of_places(proxy, seconds))
        with house.serving(folder / "cpu", house.config(models)) as proxy:
            yield from wire.run(_of_cpu(proxy, seconds / 2))


@attrs.define
class Flood:
    """What became of requests that began at a pace, whatever the answers did."""

    served: list[float] = attrs.field(factory=list)  # seconds
    refused: list[float] = attrs.field(factory=list)  # seconds
    told_when: int = 0  # of those, with Retry-After
    last_refusal: float = 0.0
    other: int = 0

    async def send(self, port: int, rate: float, seconds: float) -> None:
        start = time.perf_counter()
        turns = iter(range(int(rate * seconds)))

        async def work() -> None:
            caller = Caller(port)
            for turn in turns:
                await asyncio.sleep(start + turn / rate - time.perf_counter())
                await self._one(caller)
            caller.close()

        # As many clients as it takes where each has to wait for its answer.
        await asyncio.gather(*(work() for _ in range(int(2 * _PLACES + 0.1 * rate))))

    async def _one(self, caller: Caller) -> None:
        begun = time.perf_counter()
        check = await caller.ask(_SLOW, _SLOW.body())
        now = time.perf_counter()
        if not check.problems:
            self.served.append(now - begun)
        elif check.problems == ["status 503"]:
            self.refused.append(now - begun)
            self.told_when += b"\r\nRetry-After: 1\r\n" in caller.head
            self.last_refusal = now
        else:
            self.other += 1


async def _of_places(proxy: House, seconds: float) -> list[Figure]:
    port = proxy.daemon.port
    most = await load(port, _SLOW, connections=_PLACES, seconds=seconds / 2)
    flood, calm = Flood(), Flood()
    begun = time.perf_counter()
    pings, _ = await asyncio.gather(
        pinging(port, seconds), flood.send(port, 3 * _CAPACITY, seconds)
    )
    ended = time.perf_counter()
    await calm.send(port, 0.8 * _CAPACITY, seconds / 2)
    answered = len(flood.served) / (ended - begun) / (most.requests / most.seconds)
    refused, pinged = (percentiles(x)[1] * 1e3 for x in (flood.refused, pings))
    untold = len(flood.refused) - flood.told_when
    recovered = max(calm.last_refusal - ended, 0.0)
    over = f"3 × {_PLACES} places"
    return [
        Figure(f"{over}: answered, of the most", 100 * answered, "%", least=90),
        Figure(f"{over}: refused", len(flood.refused)),
        Figure(f"{over}: a refusal, p99", refused, "ms", most=50),
        Figure(f"{over}: refused without Retry-After", untold, most=0),
        Figure(f"{over}: anything else", flood.other, most=0),
        Figure(f"{over}: /ping, p99", pinged, "ms", most=100),
        Figure("afterwards: last refusal, after", recovered, "s", most=5),
    ]


async def _of_cpu(proxy: House, seconds: float) -> list[Figure]:
    """With ten times the clients that keep it busy, and no pause."""
    port = proxy.daemon.port
    most = await load(port, Plan(), connections=64, seconds=seconds)
    pings, flood = await asyncio.gather(
        pinging(port, seconds),
        load(port, Plan(), connections=640, seconds=seconds),
    )
    best = most.requests / most.seconds
    answered = flood.requests / flood.seconds / best
    failed = sum(flood.problems.values())
    return [
        Figure("64 clients without pause: answered a second", best),
        Figure("64 clients without pause: answer, p50", most.whole[0] * 1e3, "ms"),
        Figure("640 of them: answered, of that", 100 * answered, "%", least=90),
        Figure("640 of them: failed", failed, most=0),
        Figure("640 of them: answer, p50", flood.whole[0] * 1e3, "ms"),
        Figure("640 of them: /ping, p99", percentiles(pings)[1] * 1e3, "ms"),
    ]
