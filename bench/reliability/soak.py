"""L6: an hour's work in a minute, by chance, and what is left of it afterwards.

Who is asked, for what, whether the client leaves (5 %), which fault the provider has
(5 %), and what is in the file that is reloaded meanwhile: all of a seeded random order.
"""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Caller
from bench.processes import Target
from bench.reliability import house
from bench.reliability.figures import Figure
from bench.reliability.house import House
from bench.soak import FAILING, HEALTHY, LEAVING
from bench.wire import Plan

_SEED = 1
_CLIENTS = 64
_WARM_UP = 5_000  # requests, the same kind of them
_RELOAD_EVERY = 1.0  # seconds
_LOOK_EVERY = 0.25  # seconds
_KEPT = 2 * 50  # connections to two providers: `max_idle_conns_per_host`
_FAULTS = (
    *FAILING,
    *(Plan(fault=status) for status in ("401", "402", "404", "422", "529")),
    *(Plan(fault=fault) for fault in ("reset", "garbage", "silent")),
    *(
        Plan(20, 1, 0.002, 0.0, fault)
        for fault in ("error", "reset", "garbage", "silent")
    ),
)
_ASKED = ("bench", "first-1", "first-2", "second", "OTHER")
_LIMITED = Plan(fault="429")  # asked of a model of its own, which then has to rest
_PATIENCE = "first_byte_timeout_seconds: 2, timeout_seconds: 2"
_LIMITS = (
    f"http_client_config: {{max_conns_per_host: 400, {_PATIENCE}}}",
    "requests_per_day: 1000000000",
    "tokens_per_day: 100000000000",
)


def run(folder: Path, scale: float) -> Iterator[Figure]:
    count = max(int(50_000 * scale), 200)
    with (
        processes.provider(folder) as first,
        processes.provider(folder) as second,
        house.serving(folder / "proxy", _file(first, second)) as proxy,
    ):
        files = [_file(first, second, "new"), "models: []\n", _file(first, second)]
        yield from wire.run(_soaked(proxy, (first, second), files, count))


def _file(first: Target, second: Target, *more: str) -> str:
    models = [
        *(
            house.model(name, first.port, *_LIMITS, category="bench")
            for name in _ASKED[1:3]
        ),
        house.model("second", second.port, *_LIMITS, category="bench"),
        *(
            house.model(name, second.port, *_LIMITS, category="OTHER")
            for name in ("other", *more)
        ),
        house.model("limited", second.port, *_LIMITS, category="NONE"),
    ]
    return house.config(models)


@attrs.define
class Mix:
    """Requests by chance; `found` counts what was not as it should be."""

    port: int
    chance: random.Random = attrs.field(factory=lambda: random.Random(_SEED))
    found: Counter[str] = attrs.field(factory=Counter)
    done: int = 0

    async def ask(self, requests: int) -> None:
        """So many, from `_CLIENTS` clients at a time."""
        turns = iter(range(requests))
        await asyncio.gather(*(self._client(turns) for _ in range(_CLIENTS)))

    async def _client(self, turns: Iterator[int]) -> None:
        caller = Caller(self.port)
        for _ in turns:
            await self._one(caller)
            self.done += 1
        caller.close()

    async def _one(self, caller: Caller) -> None:
        chance = self.chance
        kind, model = chance.random(), chance.choice(_ASKED)
        if kind < 0.05:
            plan, leave = chance.choice(LEAVING)
            leave *= chance.random() * 2
            await caller.ask(plan, house.body(plan, model), leave)
        elif kind < 0.1:
            plan = chance.choice((*_FAULTS, _LIMITED))
            model = "limited" if plan is _LIMITED else model
            check = await caller.ask(plan, house.body(plan, model))
            if not check.problems:
                self.found[f"not told of {plan.fault}"] += 1
        else:
            plan = chance.choice(HEALTHY)
            size = int(200 * 2 ** chance.uniform(0, 8))
            check = await caller.ask(plan, house.body(plan, model, size))
            self.found.update(check.problems)


async def _soaked(
    proxy: House, providers: tuple[Target, ...], files: list[str], count: int
) -> list[Figure]:
    mix = Mix(proxy.daemon.port)
    await mix.ask(min(_WARM_UP, count))
    before = await _held(proxy, providers)
    mix.done = 0
    memory: list[tuple[int, float]] = []
    beside = [
        asyncio.create_task(_reload(proxy, files)),
        asyncio.create_task(_watch(proxy, mix, memory)),
    ]
    await mix.ask(count)
    for task in beside:
        task.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    status = await asyncio.to_thread(proxy.settled)
    after = await _held(proxy, providers)
    memory.append((count, proxy.daemon.memory() / 1e6))
    third = len(memory) // 3 or 1
    start, end = (
        statistics.mean(megabytes for _, megabytes in part)
        for part in (memory[:third], memory[-third:])
    )
    if mix.found:
        print(f"! {dict(mix.found)}", flush=True)
    wrong, left = mix.found.total(), house.under_way(status)
    descriptors = after.descriptors - before.descriptors
    return [
        Figure("requests", count),
        Figure("healthy ones that failed, faults not told", wrong, most=0),
        Figure("descriptors more than before", descriptors, most=0),
        Figure("connections kept to providers", after.kept, most=_KEPT),
        Figure("tasks more than before", after.tasks - before.tasks, most=0),
        Figure("requests and leases at the end", left, most=0),
        Figure("memory, first third", start, "MB"),
        Figure("memory, last third", end, "MB", most=start + 3),
        Figure("memory gained by 10,000 requests", _slope(memory) * 1e4, "MB"),
    ]


async def _reload(proxy: House, files: list[str]) -> None:
    turn = 0
    while True:
        proxy.file.write_text(files[turn % len(files)])
        proxy.tell(signal.SIGHUP)
        turn += 1
        await asyncio.sleep(_RELOAD_EVERY)


async def _watch(proxy: House, mix: Mix, memory: list[tuple[int, float]]) -> None:
    while True:
        memory.append((mix.done, proxy.daemon.memory() / 1e6))
        await asyncio.sleep(_LOOK_EVERY)


@attrs.frozen
class Held:
    """What the daemon holds; `descriptors` are those beside what is `kept`."""

    descriptors: int
    kept: int
    tasks: int


async def _held(proxy: House, providers: tuple[Target, ...]) -> Held:
    """What it holds once nothing is under way."""
    await asyncio.to_thread(proxy.settled)
    await asyncio.sleep(0.5)
    seen = await asyncio.to_thread(proxy.seen)
    stats = [await asyncio.to_thread(provider.stats) for provider in providers]
    kept = sum(each.open - 1 for each in stats)  # the one that asks is open, too
    return Held(proxy.daemon.descriptors() - kept, kept, seen.tasks)


def _slope(points: list[tuple[int, float]]) -> float:
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression(*zip(*points, strict=True)).slope
