"""F7: a proxy is told to end while it has work, and none of that work is lost.

200 streams, and SIGTERM. Then two proxies behind a balancer that asks for /readyz, each
restarted in its turn. Then two workers on one port, which end together.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Caller, load
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.wire import HOST, Plan

_STREAMS = 200
_LOOK_EVERY = 0.05  # seconds, of the balancer for who is ready
_PLANS = Plan(), Plan(delay=0.02), Plan(chunks=20, gap=0.02)
_SQLITE = "state: {backend: sqlite, path: state.db}"
_LIMITS = "http_client_config: {max_conns_per_host: 4000}"


def run(folder: Path, scale: float) -> Iterator[Figure]:
    with processes.provider(folder) as provider:
        model = house.model("bench", provider.port, _LIMITS)
        for name, flags in (("one process", ()), ("two workers", ("--workers", "2"))):
            config = house.config([model], _SQLITE)
            yield from wire.run(_drain(folder / name, name, config, flags, scale))
        yield from wire.run(_rolling(folder, house.config([model]), scale))


async def _drain(
    folder: Path, name: str, config: str, flags: Sequence[str], scale: float
) -> list[Figure]:
    """End it in the midst of streams."""
    plan = Plan(chunks=max(int(60 * scale), 10), gap=0.1)
    with house.serving(folder, config, *flags) as proxy:
        asking = load(proxy.daemon.port, plan, connections=_STREAMS, requests=_STREAMS)
        streams = asyncio.create_task(asking)
        await asyncio.sleep(plan.chunks * plan.gap / 3)
        took = await proxy.drained()
        report = await streams
    failed = sum(report.problems.values())
    return [
        Figure(f"{name}: streams that SIGTERM found", report.requests),
        Figure(f"{name}: failed", failed, most=0),
        Figure(f"{name}: gone after", took, "s", most=plan.chunks * plan.gap + 1),
    ]


@attrs.define(eq=False)
class Balancer:
    """Sends each request to the next proxy that is ready, on connections it keeps."""

    ports: tuple[int, ...]
    ready: set[int] = attrs.field(factory=set)
    all_ready: asyncio.Event = attrs.field(factory=asyncio.Event)
    found: Counter[str] = attrs.field(factory=Counter)
    asked: int = 0

    async def look(self) -> None:
        """See who is ready, for ever."""
        while True:
            for port in self.ports:
                if await _is_ready(port):
                    self.ready.add(port)
                else:
                    self.ready.discard(port)
            if len(self.ready) == len(self.ports):
                self.all_ready.set()
            await asyncio.sleep(_LOOK_EVERY)

    async def send(self) -> None:
        """Send one request after another, for ever."""
        callers = {port: Caller(port) for port in self.ports}
        while True:
            turn = self.asked
            for port in self.ports[:: 1 if turn % 2 else -1]:
                with suppress(ConnectionRefusedError):  # then the other one is asked
                    if port in self.ready:
                        await self._ask(callers[port], _PLANS[turn % len(_PLANS)])
                        break
            else:
                self.found["nobody is ready"] += 1
                await asyncio.sleep(_LOOK_EVERY)

    async def _ask(self, caller: Caller, plan: Plan) -> None:
        check = await caller.ask(plan, plan.body())
        self.asked += 1
        self.found.update(check.problems)


async def _is_ready(port: int) -> bool:
    with suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection(HOST, port)
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: proxy\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return b" 200 " in line
    return False


@asynccontextmanager
async def _under_load(balancer: Balancer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(balancer.look())]
    await balancer.all_ready.wait()
    tasks += [asyncio.create_task(balancer.send()) for _ in range(20)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _rolling(folder: Path, config: str, scale: float) -> list[Figure]:
    """Restart one of two, then the other, and so on."""
    ports = processes.free_port(), processes.free_port()
    balancer = Balancer(ports)

    def start(port: int) -> House:
        place = folder / str(port)
        return stacks[port].enter_context(house.serving(place, config, port=port))

    restarts = max(int(6 * scale), 1)
    with ExitStack() as running:
        stacks = {port: running.enter_context(ExitStack()) for port in ports}
        proxies = {port: start(port) for port in ports}
        async with _under_load(balancer):
            await asyncio.sleep(1)
            for turn in range(restarts):
                port = ports[turn % 2]
                await proxies[port].drained()
                stacks[port].close()
                proxies[port] = await asyncio.to_thread(start, port)
                await asyncio.sleep(1)
    failed = balancer.found.total()
    return [
        Figure(f"{restarts} restarts, one by one: requests", balancer.asked),
        Figure(f"{restarts} restarts, one by one: failed", failed, most=0),
    ]
