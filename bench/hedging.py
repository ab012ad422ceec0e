"""F10: one slow replica among fast ones, with `routing.hedge` and without.

Two daemons are asked in turn, so that the machine's drift falls on both; what their
providers were asked, and hung up on, is counted by the providers. Two cases, in both of
which one answer in 32 is slow: a replica of 32 that always is, and one of four that is
now and then. With more than one in twenty there are not enough hedges to go round.

Leaves with 1 where a target was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Report, load
from bench.processes import Target
from bench.relay import machine, markdown
from bench.reliability.figures import Figure
from bench.upstream import Provider, Stats
from bench.wire import HOST, KEY, PATH, Plan

_FAST = (0.02, 0.06)  # seconds before the first byte, from and to
_SLOW = 0.6
_RATE = 150.0  # requests a second
_CONNECTIONS = 64
_ROUND = 500  # requests
_ROUNDS = 4
_SEED = 1

STREAM, WHOLE = Plan(chunks=5, gap=0.002), Plan()


@attrs.frozen
class Case:
    """One of so many replicas is slow, in one of `every` answers."""

    name: str
    replicas: int
    every: int


CASES = (Case("one of 32 slow", 32, 1), Case("one of 4 slow now and then", 4, 8))


@attrs.define(eq=False)
class Replica(Provider):
    """Answers after a while of its own."""

    _delay: Callable[[], float] = attrs.field(kw_only=True)

    def _answer(self, plan: Plan) -> None:
        answer = super()._answer
        self._timer = self._loop.call_later(self._delay(), answer, plan)


@attrs.frozen
class Providers:
    """All replicas but one share a port; the slow one has its own."""

    fast: int
    slow: int
    stats: Stats


@asynccontextmanager
async def _providers(every: int) -> AsyncIterator[Providers]:
    loop, stats, chance = asyncio.get_running_loop(), Stats(), random.Random(_SEED)
    turns = itertools.count()

    def fast() -> float:
        return chance.uniform(*_FAST)

    def slow() -> float:
        return fast() if next(turns) % every else _SLOW

    servers = [
        await loop.create_server(partial(Replica, stats, delay=delay), HOST, 0)
        for delay in (fast, slow)
    ]
    first, last = (server.sockets[0].getsockname()[1] for server in servers)
    try:
        yield Providers(fast=first, slow=last, stats=stats)
    finally:
        for server in servers:
            server.close()


def _config(case: Case, providers: Providers, *, hedge: bool) -> str:
    ports = [providers.slow, *[providers.fast] * (case.replicas - 1)]
    models = [
        f"  - {{name: r{number}, provider: r{number}, token: {KEY}, model_size: bench,"
        f" url: 'http://{HOST}:{port}{PATH}'}}\n"
        for number, port in enumerate(ports)
    ]
    routing = f"routing: {{hedge: [{'bench' if hedge else ''}]}}\n"
    return f"state: {{backend: memory}}\n{routing}models:\n{''.join(models)}"


@attrs.define
class Line:
    """What one daemon did. Times are of first bytes, once it has learned."""

    reports: list[Report] = attrs.field(factory=list)
    requests: int = 0
    calls: int = 0
    hung_up: int = 0

    @property
    def problems(self) -> int:
        return sum(sum(report.problems.values()) for report in self.reports)

    def first(self, place: int) -> float:
        """The mean over rounds of the median (0) or the 99th percentile (1), in ms."""
        firsts = [report.first[place] for report in self.reports]
        return 1e3 * sum(firsts) / len(firsts)


async def measured(
    case: Case, plan: Plan, folder: Path, requests: int, rounds: int
) -> list[Line]:
    """Ask a daemon that does not hedge and one that does, so many times a round.

    There is a round more, from which the daemons learn.
    """
    async with _providers(case.every) as providers:
        with ExitStack() as running:
            daemons = []
            for hedge in (False, True):
                place = folder / ("hedged" if hedge else "plain")
                place.mkdir(parents=True)
                config = _config(case, providers, hedge=hedge)
                daemons.append(running.enter_context(processes.daemon(place, config)))
            for daemon in daemons:
                await asyncio.to_thread(processes.answer_within, daemon.port, 10)
            lines = [Line() for _ in daemons]
            for turn in range(rounds + 1):
                for daemon, line in zip(daemons, lines, strict=True):
                    report = await _asked(daemon, plan, requests, line, providers.stats)
                    line.reports += [report] if turn else []
            return lines


async def _asked(
    daemon: Target, plan: Plan, requests: int, line: Line, stats: Stats
) -> Report:
    before = attrs.evolve(stats)
    report = await load(
        *(daemon.port, plan), connections=_CONNECTIONS, requests=requests, rate=_RATE
    )
    line.requests += report.requests
    line.calls += stats.requests - before.requests
    line.hung_up += stats.hung_up - before.hung_up
    return report


def run(folder: Path, scale: float) -> Iterator[Figure]:
    """The figures, each as it is known."""
    requests = max(round(_ROUND * scale), 1)
    for case, (kind, plan) in itertools.product(
        CASES, (("streams", STREAM), ("whole answers", WHOLE))
    ):
        place = folder / f"{case.replicas}-{kind}"
        plain, hedged = wire.run(measured(case, plan, place, requests, _ROUNDS))
        extra = hedged.calls - hedged.requests
        fall = 100 * (1 - hedged.first(1) / plain.first(1))
        told = f"{case.name}, {kind}"
        yield Figure(f"{told}: p50 without", plain.first(0), "ms")
        yield Figure(f"{told}: p50 with", hedged.first(0), "ms")
        yield Figure(f"{told}: p99 without", plain.first(1), "ms")
        yield Figure(f"{told}: p99 with", hedged.first(1), "ms")
        yield Figure(f"{told}: p99 falls by", fall, "%", least=40)
        share = 100 * extra / hedged.requests
        yield Figure(f"{told}: calls more than requests", share, "%", most=5)
        share = 100 * hedged.hung_up / max(extra, 1)
        yield Figure(f"{told}: of these hung up on in time", share, "%")
        failed = plain.problems + hedged.problems
        yield Figure(f"{told}: not answered rightly", failed, most=0)


def _main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="less is shorter")
    said = parser.parse_args()
    processes.many_descriptors()
    with tempfile.TemporaryDirectory(prefix="tproxy-hedging-") as place:
        figures = list(run(Path(place), said.scale))
    print(
        "; ".join(f"{name}: {value}" for name, value in machine().items()), end="\n\n"
    )
    print(markdown([["", "figure", "target"], *(figure.cells() for figure in figures)]))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(_main())
