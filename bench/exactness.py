"""Is exactly the limit admitted, whoever asks, and whoever is killed meanwhile?

Attempts for one budget, all at once: in one process; in four on one SQLite file; in
four of two hosts, whose clocks differ, on one Redis. Then requests to the daemon with
four workers, of which one is killed each second, counted where they arrive: at the
provider. What Redis cannot be asked is refused, so that all are counted there
(`on_loss: strict`). `REDIS_SERVER` names another server than the one that tests use.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs

from bench import processes, wire
from bench.attempts import Outcome, SkewedClock, attempt
from bench.load import Caller
from bench.processes import Target
from bench.wire import HOST, KEY, PATH, Plan
from tests.state.servers import Server
from tproxy.state.memory_quotas import MemoryQuotas

PROCESSES = 4
SKEW = 37.5  # seconds between the clocks of two hosts
CONNECTIONS = 100
UNDER_WAY = 16  # leases of concurrency
LEASE = 15.0  # seconds after which those of the dead are free
_GRACE = 2.0  # seconds to start again, to ask and to be answered

SQLITE, REDIS = "sqlite", "redis"


@attrs.frozen
class Finding:
    """A figure, and whether it is as it has to be."""

    what: str
    figure: str
    good: bool

    def line(self) -> str:
        return f"{'ok' if self.good else 'NO':<3} {self.what:<52} {self.figure}"


@contextmanager
def store(backend: str, folder: Path) -> Iterator[str]:
    """Where its processes find it."""
    if backend == SQLITE:
        yield str(folder / "exactness.db")
        return
    server = Server(folder)
    server.start()
    try:
        yield server.url
    finally:
        server.kill()


def exactly(what: str, outcomes: Sequence[Outcome], limit: int) -> Finding:
    admitted = sum(each.admitted for each in outcomes)
    again = sum(each.again for each in outcomes)
    longest = max(each.longest for each in outcomes)
    said = {word for each in outcomes for word in each.notices}
    figure = f"{admitted} of {limit}, {longest:.2f} s at most, {again} repeated"
    figure += "".join(f"; {word}" for word in sorted(said))
    return Finding(what, figure, admitted == limit)


def in_one_process(limit: int, attempts: int) -> Finding:
    quotas = MemoryQuotas(SkewedClock(0.0))
    outcome = wire.run(attempt(quotas, limit, attempts))
    return exactly(f"{attempts} attempts in memory", [outcome], limit)


def in_processes(
    backend: str, limit: int, attempts: int, count: int = PROCESSES
) -> Finding:
    """On Redis half of the processes are on a host with other clocks."""
    with tempfile.TemporaryDirectory() as place, store(backend, Path(place)) as where:
        key = "--path" if backend == SQLITE else "--url"
        said = ["--backend", backend, key, where, "--limit", str(limit)]
        said += ["--attempts", str(attempts // count)]
        skews = [SKEW * (n % 2) * (backend == REDIS) for n in range(count)]
        asking = [
            subprocess.Popen(
                processes.module("bench.attempts", *said, "--skew", str(skew)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for skew in skews
        ]
        for each in asking:
            assert each.stdout is not None
            assert each.stdout.readline() == b"ready\n"
        for each in asking:
            assert each.stdin is not None
            each.stdin.write(b"go\n")
            each.stdin.flush()
        told = [json.loads(each.communicate()[0]) for each in asking]
    outcomes = [Outcome(**each) for each in told]
    what = f"{attempts} attempts in {count} processes on {backend}"
    return exactly(what, outcomes, limit)


def configuration(backend: str, where: str, upstream: int, limit: int) -> str:
    key = "path" if backend == SQLITE else "url"
    provider = f"token: {KEY}, url: 'http://{HOST}:{upstream}{PATH}'"
    return (
        f"state: {{backend: {backend}, {key}: '{where}', on_loss: strict}}\n"
        "providers:\n"
        f"  wide: {{{provider}}}\n"
        f"  narrow: {{{provider}, max_concurrent: {UNDER_WAY}, queue_seconds: 0.1}}\n"
        "models:\n"
        "  - {name: bench, provider: wide, model_size: SMALL,\n"
        f"     requests_per_hour: {limit}, requests_per_month: {10 * limit}}}\n"
        "  - {name: other, provider: narrow, model_size: BIG}\n"
    )


def workers(daemon: Target) -> list[int]:
    """The process ids of those there are, the oldest first."""
    there = Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children")
    return [*map(int, there.read_text().split())]


async def ask(port: int, count: int, rate: float, body: bytes) -> Counter[str]:
    """So many requests, begun at `rate` a second; what came of them."""
    turns, start = iter(range(count)), time.perf_counter()
    seen = Counter[str]()

    async def work(caller: Caller) -> None:
        for turn in turns:
            await asyncio.sleep(start + turn / rate - time.perf_counter())
            try:
                problems = (await caller.ask(Plan(), body)).problems
            except OSError:
                problems = ["no connection"]
            seen[problems[0] if problems else "answered"] += 1

    callers = [Caller(port) for _ in range(min(count, CONNECTIONS))]
    await asyncio.gather(*map(work, callers))
    for caller in callers:
        caller.close()
    return seen


async def used_up(daemon: Target, limit: int) -> Counter[str]:
    """What becomes of a few requests once the quota is spent, at the latest of `limit`.

    On a slow machine the fire leaves some of it: an unheard store admits nobody.
    """
    seen = Counter[str]()
    for _ in range(limit):
        seen = await ask(daemon.port, PROCESSES, 1e6, Plan().body())
        if seen["status 429"] == PROCESSES:
            break
    return seen


async def killing(daemon: Target, every: float) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(every)
        os.kill(workers(daemon)[0], signal.SIGKILL)


async def under_fire(
    daemon: Target, count: int, seconds: float, every: float
) -> Counter[str]:
    killer = asyncio.create_task(killing(daemon, every))
    body = Plan(delay=0.1).body()
    try:
        return await ask(daemon.port, count, count / seconds, body)
    finally:
        killer.cancel()


async def freed_after(daemon: Target) -> float:
    """Kill all workers while each place is taken; seconds until all can be again."""
    there = workers(daemon)

    def requests(delay: float) -> asyncio.Task[Counter[str]]:
        body = Plan(delay=delay).body().replace(b'"bench"', b'"other"')
        return asyncio.create_task(ask(daemon.port, UNDER_WAY, 1e6, body))

    held = requests(60.0)
    await asyncio.sleep(1.0)
    for pid in there:
        os.kill(pid, signal.SIGKILL)
    begun = time.perf_counter()
    await held
    while (await requests(0.3))["answered"] < UNDER_WAY:
        if time.perf_counter() - begun > 2 * LEASE:
            break
        await asyncio.sleep(0.2)
    return time.perf_counter() - begun


@contextmanager
def crew(backend: str, limit: int) -> Iterator[tuple[Target, Target]]:
    """The daemon, which has answered once, and its provider."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where = stack.enter_context(store(backend, folder))
        upstream = stack.enter_context(processes.provider(folder))
        config = configuration(backend, where, upstream.port, limit)
        flags = ("--workers", str(PROCESSES))
        daemon = stack.enter_context(processes.daemon(folder, config, *flags))
        processes.answer_within(daemon.port, 20)
        yield daemon, upstream


def under_kills(
    daemon: Target,
    upstream: Target,
    limit: int,
    requests: int,
    seconds: float,
    every: float = 1.0,
) -> list[Finding]:
    """Ask for more than the limit; what a worker was killed over may not have left."""
    before = upstream.stats().requests - 1  # the first of all counts as well
    seen = wire.run(under_fire(daemon, requests, seconds, every))
    after = wire.run(used_up(daemon, limit))
    arrived = upstream.stats().requests - before
    broken = seen["broke off"] + seen["status 0"]  # after its head, or before it
    told = ", ".join(f"{count} {what}" for what, count in sorted(seen.items()))
    return [
        Finding(
            f"{requests} requests to the daemon, a kill each {every:g} s",
            f"{arrived} of {limit} at the provider ({told})",
            arrived <= limit,
        ),
        Finding(
            "taken by the dead, and not sent",
            f"{limit - arrived}, of {broken} that broke off",
            after["status 429"] == PROCESSES and limit - arrived <= broken,
        ),
    ]


def after_death(daemon: Target) -> Finding:
    seconds = wire.run(freed_after(daemon))
    return Finding(
        "places of the dead are free again",
        f"after {seconds:.1f} s, of {LEASE:g} s and a start",
        seconds <= LEASE + _GRACE,
    )


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=1_000)
    parser.add_argument("--attempts", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=12.0, help="of killing")
    said = parser.parse_args()
    limit, attempts = said.limit, said.attempts
    print(in_one_process(limit, attempts).line(), flush=True)
    for backend in (SQLITE, REDIS):
        print(in_processes(backend, limit, attempts).line(), flush=True)
    # Half of them, so that workers are killed while others are admitted.
    limit = attempts // 2
    for backend in (SQLITE, REDIS):
        print(f"   {backend}, {PROCESSES} workers")
        with crew(backend, limit) as (daemon, upstream):
            found = under_kills(daemon, upstream, limit, attempts, said.seconds)
            for finding in (*found, after_death(daemon)):
                print(finding.line(), flush=True)


if __name__ == "__main__":
    _main()
