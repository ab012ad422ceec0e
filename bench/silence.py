"""How long a request waits for a Redis that falls silent, in the daemon.

Requests come at a steady pace while the server is stopped for a second, again and again
(SIGSTOP, so that it takes connections and answers nobody). They are of two kinds: one
waits for a start, a place and a quota, the other for quotas alone. Told are the longest
of those that met the beginning of a silence, and of all others. Run it as
`python -m bench.silence [--quick]`.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Caller
from bench.wire import HOST, KEY, PATH, Plan
from tests.state.servers import Server

SILENT, APART = 1.0, 1.5  # seconds
MET = 0.25  # seconds from the beginning of a silence, in which it is met
CONNECTIONS = 64


@attrs.define
class Seen:
    """When requests began, and how many seconds they took."""

    stops: list[float] = attrs.field(factory=list)
    times: list[tuple[float, float]] = attrs.field(factory=list)
    problems: Counter[str] = attrs.field(factory=Counter)

    def lines(self, name: str) -> list[str]:
        met: list[float] = []
        others: list[float] = []
        for begun, took in self.times:
            near = any(at - took < begun < at + MET for at in self.stops)
            (met if near else others).append(took)
        return [
            _line(f"{name}, as it fell silent", met),
            _line(f"{name}, else", others),
        ]


def _line(name: str, times: list[float]) -> str:
    ranked = sorted(took * 1_000 for took in times) or [0.0]
    median, p99 = ranked[len(ranked) // 2], ranked[len(ranked) * 99 // 100]
    return (
        f"{name:<54} {len(times):>6} {median:>8.1f} {p99:>8.1f} {ranked[-1]:>8.1f} ms"
    )


def configuration(redis: str, upstream: int, on_loss: str) -> str:
    provider = f"token: {KEY}, url: 'http://{HOST}:{upstream}{PATH}'"
    return (
        f"state: {{backend: redis, url: '{redis}', on_loss: {on_loss}}}\n"
        "providers:\n"
        f"  plain: {{{provider}}}\n"
        f"  queue: {{{provider}, min_interval: 1ms, max_concurrent: 500}}\n"
        "models:\n"
        "  - {name: bench, provider: plain, model_size: SMALL,\n"
        "     requests_per_hour: 1000000, requests_per_day: 9000000}\n"
        "  - {name: other, provider: queue, model_size: BIG,\n"
        "     requests_per_hour: 1000000, requests_per_day: 9000000}\n"
    )


async def ask(port: int, body: bytes, rate: float, until: float, seen: Seen) -> None:
    start, turns = time.perf_counter(), iter(range(1 << 62))
    callers = [Caller(port) for _ in range(CONNECTIONS)]

    async def work(caller: Caller) -> None:
        for turn in turns:
            await asyncio.sleep(max(start + turn / rate - time.perf_counter(), 0))
            begun = time.perf_counter()
            if begun > until:
                return
            problems = (await caller.ask(Plan(), body)).problems
            seen.times.append((begun, time.perf_counter() - begun))
            seen.problems.update(problems)

    await asyncio.gather(*map(work, callers))
    for caller in callers:
        caller.close()


async def measured(
    server: Server, port: int, model: str, rate: float, silences: int
) -> Seen:
    seen = Seen()
    body = Plan().body().replace(b'"bench"', b'"%s"' % model.encode(), 1)
    until = time.perf_counter() + silences * (SILENT + APART)
    asking = asyncio.create_task(ask(port, body, rate, until, seen))
    for _ in range(silences):
        await asyncio.sleep(APART)
        with server.hung():
            seen.stops.append(time.perf_counter())
            await asyncio.sleep(SILENT)
    await asking
    return seen


def bench(silences: int, rates: tuple[float, ...]) -> list[Seen]:
    print(f"{'':<54} {'asked':>6} {'median':>8} {'p99':>8} {'p100':>8}")
    found = []
    for on_loss in ("share", "strict"):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = Server(folder)
            server.start()
            stack.callback(server.kill)
            upstream = stack.enter_context(processes.provider(folder))
            config = configuration(server.url, upstream.port, on_loss)
            daemon = stack.enter_context(processes.daemon(folder, config))
            processes.answer_within(daemon.port, 20)
            for model in ("bench", "other"):
                for rate in rates:
                    seen = wire.run(
                        measured(server, daemon.port, model, rate, silences)
                    )
                    kind = "quotas" if model == "bench" else "quotas and a queue"
                    for line in seen.lines(f"{on_loss}, {kind}, {rate:g}/s"):
                        print(line, flush=True)
                    found.append(seen)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that it works")
    if parser.parse_args().quick:
        bench(1, (50.0,))
    else:
        bench(8, (50.0, 200.0))


if __name__ == "__main__":
    main()
