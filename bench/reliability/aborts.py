"""F6: clients that leave, at random moments of every phase of a request.

The provider and the clients share one process and one clock, so that the time from the
one hanging up to the other being hung up on is exact.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from bench import wire
from bench.load import Caller, percentiles
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.upstream import Provider, Stats
from bench.wire import HOST, Plan

_EACH = 500  # of each phase
_CLIENTS = 20  # at a time
_NUMBER = re.compile(rb'"seed":(\d+)').search
_SEED = 1


@attrs.frozen
class Phase:
    """Leave between `soonest` and `latest` seconds after having asked `model`."""

    name: str
    model: str
    plans: tuple[Plan, ...]
    soonest: float
    latest: float


_WAITING = Plan(delay=5.0), Plan(chunks=5, delay=5.0)
PHASES = (
    Phase("queued", "throttled", _WAITING, 0.0, 0.2),
    Phase("connecting", "unreached", _WAITING, 0.0, 0.2),
    Phase("waiting for the first byte", "bench", _WAITING, 0.0, 0.2),
    Phase("streaming", "bench", (Plan(chunks=1_000, gap=0.005),), 0.02, 0.3),
    Phase("streaming much", "bench", (Plan(2_000, 40, 0.05),), 0.02, 0.3),
    Phase("at the end", "bench", (Plan(delay=0.05), Plan(5, 1, 0.01)), 0.03, 0.07),
)


@attrs.define(eq=False)
class Left:
    """When clients left, and when the provider heard, by the numbers of requests."""

    clients: dict[int, float] = attrs.field(factory=dict)
    provider: dict[int, float] = attrs.field(factory=dict)
    connected: set[Watching] = attrs.field(factory=set)  # to the provider

    @property
    def answering(self) -> int:
        """Answers that the provider is still about."""
        return sum(connection.busy for connection in self.connected)

    def delays(self, numbers: range) -> list[float]:
        """Seconds between, for those that had reached the provider."""
        found = [number for number in numbers if number in self.provider]
        return [self.provider[n] - self.clients[n] for n in found]


@attrs.define(eq=False)
class Watching(Provider):
    """Notes when an answer that is under way is no longer wanted."""

    left: Left = attrs.field(factory=Left, kw_only=True)
    _number: int = -1

    @property
    def busy(self) -> bool:
        return self._timer is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.left.connected.add(self)

    def data_received(self, data: bytes) -> None:
        number = _NUMBER(data)
        if number is not None:
            self._number = int(number[1])
        super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.left.connected.discard(self)
        if self.busy:
            self.left.provider[self._number] = time.perf_counter()
        super().connection_lost(error)


def run(folder: Path, scale: float) -> Iterator[Figure]:
    yield from wire.run(_measured(folder, max(int(_EACH * scale), 20)))


async def _measured(folder: Path, aborts: int) -> list[Figure]:
    left, stats, chance = Left(), Stats(), random.Random(_SEED)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Watching(stats, left=left), HOST, 0)
    port = server.sockets[0].getsockname()[1]
    figures: list[Figure] = []
    with (
        house.full_listener() as full,
        house.serving(folder / "proxy", _config(port, full)) as proxy,
    ):
        held = Caller(proxy.daemon.port)  # so that others have to queue
        plan = Plan(delay=3_600.0)
        holding = asyncio.create_task(held.ask(plan, house.body(plan, "throttled")))
        # The first who come and go also load what is loaded when it is needed.
        for phase in PHASES:
            await _leave(proxy, phase, range(-_CLIENTS, 0), left, chance)
        before = await _held(proxy, stats)
        for index, phase in enumerate(PHASES):
            numbers = range(index * aborts, (index + 1) * aborts)
            await _leave(proxy, phase, numbers, left, chance)
            delays = left.delays(numbers)
            if delays:
                name = f"{phase.name}: provider is hung up on"
                worst = percentiles(delays)[1] * 1e3
                figures.append(Figure(f"{name}, p99", worst, "ms", most=100))
                figures.append(Figure(f"{name}, of {aborts:,}", len(delays)))
        after = await _held(proxy, stats)
        held.close()
        await asyncio.gather(holding)
        figures += _left_behind(before, after)
        figures += _settled(await asyncio.to_thread(proxy.settled), stats)
        figures.append(Figure("answers nobody waits for", left.answering, most=0))
    server.close()
    return figures


def _config(port: int, full: int) -> str:
    counted = "tokens_per_day: 1000000000", "requests_per_day: 1000000000"
    models = [
        house.model("bench", port, *counted),
        house.model("throttled", port, *counted),
        house.model("unreached", full, *counted),
    ]
    throttle = "providers: {throttled: {max_concurrent: 1}}"
    return house.config(models, house.MEMORY, throttle)


async def _leave(
    proxy: House, phase: Phase, numbers: range, left: Left, chance: random.Random
) -> None:
    """One client after another comes and goes, `_CLIENTS` of them at a time."""
    turns = iter(numbers)

    async def work() -> None:
        caller = Caller(proxy.daemon.port)
        for number in turns:
            plan = phase.plans[number % len(phase.plans)]
            said = b'"seed":%d,"temperature"' % number
            body = house.body(plan, phase.model).replace(b'"temperature"', said)
            leave = chance.uniform(phase.soonest, phase.latest)
            await caller.ask(plan, body, leave)
            caller.close()
            left.clients[number] = time.perf_counter()

    await asyncio.gather(*(work() for _ in range(_CLIENTS)))


async def _held(proxy: House, stats: Stats) -> tuple[int, int, dict[str, Any]]:
    """Descriptors beside kept connections, tasks and status; all who left are gone."""
    await asyncio.sleep(0.5)
    status = await asyncio.to_thread(proxy.status)
    seen = await asyncio.to_thread(proxy.seen)
    return proxy.daemon.descriptors() - stats.open, seen.tasks, status


def _left_behind(
    before: tuple[int, int, dict[str, Any]], after: tuple[int, int, dict[str, Any]]
) -> Iterator[Figure]:
    yield Figure("descriptors more than before", after[0] - before[0], most=0)
    yield Figure("tasks more than before", after[1] - before[1], most=0)
    found = house.under_way(after[2]) - house.under_way(before[2])
    yield Figure("requests, leases and places in line left over", found, most=0)


def _settled(status: dict[str, Any], stats: Stats) -> Iterator[Figure]:
    """What the quotas have counted against what the provider has seen."""
    models = "model/bench", "model/throttled"
    counted = sum(house.used(status, name) for name in models)
    tokens = sum(house.used(status, name, "tokens") for name in models)
    # Some were sent, and taken back before the provider had looked.
    beyond = counted - stats.requests
    yield Figure("requests counted beyond those the provider saw", beyond, least=0)
    yield Figure("tokens counted for each of them", tokens / counted)
    never = house.used(status, "model/unreached")
    yield Figure("requests counted that never reached a provider", never, most=0)
    yield Figure("requests and leases at the end", house.under_way(status), most=0)
