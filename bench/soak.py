"""Mixed requests, clients that leave, a provider that fails: what is left behind?

Of every 20 requests one client hangs up early and one answer fails. Afterwards the
daemon must hold no more than it held after the warm-up, and healthy answers must have
been right to the byte. Leaves with 1 where that is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Caller, Report, load
from bench.processes import Target
from bench.wire import Plan

HEALTHY = (
    Plan(),
    Plan(chunks=20, burst=5, gap=0.005),
    Plan(delay=0.005),
    Plan(chunks=10, gap=0.002),
)
FAILING = (
    Plan(fault="500"),
    Plan(fault="cut"),
    Plan(chunks=20, gap=0.002, fault="cut"),
    Plan(fault="400"),
    Plan(chunks=20, fault="503"),
)
LEAVING = (  # and after how many seconds
    (Plan(delay=1.0), 0.05),
    (Plan(chunks=50, gap=0.02), 0.1),
    (Plan(chunks=50, delay=1.0), 0.02),
    (Plan(chunks=1_000, burst=100, gap=0.02), 0.05),
)
_SETTLING = 10.0  # seconds


@attrs.frozen
class Held:
    """What the daemon holds; `upstream` is connections it has to the provider."""

    descriptors: int
    upstream: int
    memory: int

    @classmethod
    def by(cls, daemon: Target, provider: Target) -> Held:
        # The connection that asks is open, too.
        upstream = provider.stats().open - 1
        return cls(daemon.descriptors(), upstream, daemon.memory())


async def mixed(port: int, requests: int, connections: int) -> Counter[str]:
    """Ask `requests` times; count what was not as it should be."""
    found: Counter[str] = Counter()
    turns = iter(range(requests))

    async def work() -> None:
        caller = Caller(port)
        for turn in turns:
            cycle, place = divmod(turn, 20)
            if place == 3:
                plan, leave = LEAVING[cycle % len(LEAVING)]
                await caller.ask(plan, plan.body(), leave)
            elif place == 13:
                plan = FAILING[cycle % len(FAILING)]
                check = await caller.ask(plan, plan.body())
                found["failure not told"] += not check.problems
            else:
                plan = HEALTHY[turn % len(HEALTHY)]
                size = 32_768 if place == 7 else 1_024
                found.update((await caller.ask(plan, plan.body(size))).problems)
        caller.close()

    await asyncio.gather(*(work() for _ in range(connections)))
    return +found


@attrs.frozen
class Outcome:
    """`reuse` is the share of requests that found a connection to the provider."""

    before: Held
    after: Held
    problems: Counter[str]
    seconds: float
    reuse: float

    @property
    def good(self) -> bool:
        return not self.problems and self.after.descriptors <= self.before.descriptors


def soak(folder: Path, requests: int, connections: int) -> Outcome:
    """Run it all against a daemon and a provider of its own."""
    with (
        processes.provider(folder) as provider,
        processes.proxy(folder, provider.port) as daemon,
    ):
        processes.answer_within(daemon.port, 10)
        wire.run(mixed(daemon.port, max(requests // 20, 20), connections))
        before = _settled(daemon, provider, daemon.descriptors() - 2 * connections)
        begun = time.perf_counter()
        problems = wire.run(mixed(daemon.port, requests, connections))
        seconds = time.perf_counter() - begun
        after = _settled(daemon, provider, before.descriptors)
        started = provider.stats()
        report = wire.run(_steady(daemon.port, max(requests // 10, 20), connections))
        problems.update(report.problems)
        ended = provider.stats()
    opened = ended.connections - started.connections - 1  # the last asks for the stats
    asked = ended.requests - started.requests
    return Outcome(before, after, problems, seconds, 1 - opened / asked)


async def _steady(port: int, requests: int, connections: int) -> Report:
    return await load(port, Plan(), connections=connections, requests=requests)


def _settled(daemon: Target, provider: Target, descriptors: int) -> Held:
    """What is held once no more is let go."""
    deadline = time.perf_counter() + _SETTLING
    held = Held.by(daemon, provider)
    while held.descriptors > descriptors and time.perf_counter() < deadline:
        time.sleep(0.5)
        last, held = held, Held.by(daemon, provider)
        if last.descriptors == held.descriptors:
            break
    return held


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--connections", type=int, default=32)
    said = parser.parse_args()
    processes.many_descriptors()
    with tempfile.TemporaryDirectory(prefix="tproxy-soak-") as place:
        outcome = soak(Path(place), said.requests, said.connections)
    before, after = outcome.before, outcome.after
    print(f"{said.requests:,} requests in {outcome.seconds:.0f} s")
    print(f"descriptors: {before.descriptors} before, {after.descriptors} after")
    print(f"connections to the provider: {before.upstream}, then {after.upstream}")
    print(f"memory: {before.memory / 1e6:.1f} MB, then {after.memory / 1e6:.1f} MB")
    print(f"requests on a kept connection, in steady state: {outcome.reuse:.1%}")
    print(f"problems: {dict(outcome.problems) or 'none'}")
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(_main())
