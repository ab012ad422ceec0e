"""Measures the daemon, and what it is compared with, in one run.

Each scenario is run on each target in turn, and that several times over, so that the
machine's drift falls on all alike; what is printed are medians. `--quick` only shows
that all of it works.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import attrs

from bench import processes, wire
from bench.load import Report
from bench.processes import Target
from bench.wire import HOST, PATH, TOKEN, Plan


@attrs.frozen
class Sample:
    """One run of one scenario on one target; memory in bytes, `cpu` in seconds."""

    report: Report
    cpu: float
    idle: int  # memory before the first run of all
    peak: int  # memory, at most
    connections: int


@attrs.frozen
class Measure:
    """What a line of the table tells of a sample."""

    label: str
    of: Callable[[Sample], float]
    added: bool = False  # compare with the direct line by difference, not by ratio
    rounds: int | None = None  # tell of the first ones only


CPU_REQUEST = Measure("CPU µs a request", lambda s: s.cpu * 1e6 / s.report.requests)
CPU_CHUNK = Measure("CPU µs a chunk", lambda s: s.cpu * 1e6 / s.report.chunks)
REQUESTS = Measure("requests a second", lambda s: s.report.requests / s.report.seconds)
CHUNKS = Measure("chunks a second", lambda s: s.report.chunks / s.report.seconds)
TOGETHER = Measure("chunks a read", lambda s: s.report.chunks / s.report.reads)
FIRST = (
    Measure("first byte, p50 ms", lambda s: s.report.first[0] * 1e3, added=True),
    Measure("first byte, p99 ms", lambda s: s.report.first[1] * 1e3, added=True),
)
LATE = (
    Measure("delay of a chunk, p50 ms", lambda s: s.report.late[0] * 1e3, added=True),
    Measure("delay of a chunk, p99 ms", lambda s: s.report.late[1] * 1e3, added=True),
)
# Memory is told of the first round, before other scenarios have left their mark.
MEMORY = (
    Measure("memory, MB", lambda s: s.peak / 1e6, rounds=1),
    Measure(
        "memory a stream, KB",
        lambda s: (s.peak - s.idle) / 1e3 / s.connections,
        rounds=1,
    ),
)


@attrs.frozen
class Scenario:
    """A load. It ends after `requests`, which begin at `rate`, or after `seconds`."""

    name: str
    tells: tuple[Measure, ...]
    plan: Plan
    connections: int
    seconds: float = 3_600.0
    requests: int = 1 << 62
    rate: float = 0.0
    size: int = 1_024
    by_wrk: bool = False  # where it is installed: answers are counted, not checked

    def quick(self) -> Scenario:
        return attrs.evolve(
            self,
            plan=attrs.evolve(self.plan, chunks=min(self.plan.chunks, 10)),
            connections=min(self.connections, 25),
            seconds=min(self.seconds, 0.3),
            requests=min(self.requests, 25),
            by_wrk=False,
        )


def _streams(name: str, plan: Plan, count: int) -> Scenario:
    tells = (*FIRST, *LATE, CPU_CHUNK, *MEMORY)
    return Scenario(name, tells, plan, count, requests=count, rate=count)


def _requests(name: str, size: int) -> Scenario:
    tells = (CPU_REQUEST, REQUESTS)
    return Scenario(name, tells, Plan(), 32, seconds=3, size=size, by_wrk=True)


_CHUNKS = (CPU_CHUNK, CHUNKS, TOGETHER, *LATE)

# In running order: streams first, while the daemon's memory is an idle one's.
SCENARIOS = (
    _streams("500 streams", Plan(chunks=100, gap=0.02), 500),
    _streams("1,000 streams", Plan(chunks=60, gap=0.05), 1_000),
    Scenario("bursts", _CHUNKS, Plan(chunks=500, burst=20, gap=0.02), 40, seconds=3),
    Scenario("one at a time", _CHUNKS, Plan(chunks=200, gap=0.01), 40, seconds=4),
    Scenario("100 a second", FIRST, Plan(), 16, requests=300, rate=100),
    _requests("1 KB", 1_024),
    _requests("100 KB", 102_400),
)


def measure(target: Target, scenario: Scenario, idle: int, folder: Path) -> Sample:
    """Run `scenario` on `target`, the load in a process of its own."""
    before, peak = target.cpu(), target.memory()
    with subprocess.Popen(
        _command(target, scenario, folder), stdout=subprocess.PIPE
    ) as load:
        while load.poll() is None:
            peak = max(peak, target.memory())
            time.sleep(0.05)
        said = load.stdout.read() if load.stdout is not None else b""
    report = Report(**json.loads(said.splitlines()[-1]))
    cpu = target.cpu() - before
    return Sample(report, cpu, idle, peak, scenario.connections)


def _command(target: Target, scenario: Scenario, folder: Path) -> list[str]:
    wrk = shutil.which("wrk")
    if scenario.by_wrk and wrk:
        script = folder / "wrk.lua"
        body = scenario.plan.body(scenario.size).decode()
        script.write_text(_WRK % (TOKEN, body))
        times = f"-t1 -c{scenario.connections} -d{max(scenario.seconds, 1):.0f}"
        address = f"http://{HOST}:{target.port}{PATH}"
        return [wrk, *times.split(), "-s", str(script), address]
    said = {**attrs.asdict(scenario.plan), "port": target.port}
    for name in ("connections", "requests", "seconds", "rate", "size"):
        said[name] = getattr(scenario, name)
    return processes.module("bench.load", *(f"--{n}={v}" for n, v in said.items()))


_WRK = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
done = function(all, latency)
    local e, p = all.errors, latency
    local failed = e.connect + e.read + e.write + e.status + e.timeout
    print(string.format(
        '{"requests": %%d, "seconds": %%f, "problems": {"wrk": %%d}, ' ..
        '"whole": [%%f, %%f]}',
        all.requests, all.duration / 1e6, failed,
        p:percentile(50) / 1e6, p:percentile(99) / 1e6))
end
"""


Results = dict[tuple[str, str], list[Sample]]  # by scenario and target


def rounds(
    found: Sequence[Target], scenarios: Sequence[Scenario], count: int, folder: Path
) -> Results:
    """Run everything `count` times over, one target after the other."""
    idle = {target.name: target.memory() for target in found}
    samples: Results = {}
    for scenario in (s for _ in range(count) for s in scenarios):
        for target in found:
            sample = measure(target, scenario, idle[target.name], folder)
            samples.setdefault((scenario.name, target.name), []).append(sample)
            bad = {what: n for what, n in sample.report.problems.items() if n}
            if bad:
                print(f"! {target.name}, {scenario.name}: {bad}", flush=True)
            time.sleep(0.2)  # let connections close
    return samples


def start_up(folder: Path, upstream: int, count: int) -> float:
    """Seconds from nothing to the daemon's first answer; the median."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        with processes.proxy(folder, upstream) as target:
            processes.answer_within(target.port, 10)
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def table(results: Results, names: Sequence[str]) -> list[list[str]]:
    """Rows of text: values by target, the daemon's last, and how it compares."""
    lines = [["", *names, "compared"]]
    for scenario, measure in _told(results):
        direct, *others, own = values = [
            statistics.median(
                map(measure.of, results[scenario, name][: measure.rounds])
            )
            for name in names
        ]
        if measure.added:
            compared = f"{own - direct:+.2f} to direct"
        else:
            ratios = zip(names[1:-1], others, strict=True)
            compared = ", ".join(f"{own / v:.2f} × {name}" for name, v in ratios if v)
        shown = [f"{value:,.{0 if value >= 100 else 2}f}" for value in values]
        lines.append([f"{scenario}: {measure.label}", *shown, compared])
    return lines


def _told(results: Results) -> Iterator[tuple[str, Measure]]:
    run = {name for name, _ in results}
    for scenario in SCENARIOS:
        if scenario.name in run:
            yield from ((scenario.name, measure) for measure in scenario.tells)


def machine() -> dict[str, str]:
    """What the figures depend on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "Tornado": metadata.version("tornado"),
        "loop of bare relay, provider and load": (
            "uvloop" if wire.fast_loop() else "asyncio"
        ),
        "kernel": platform.release(),
        "load of others": f"{os.getloadavg()[0]:.2f}",
    }


def markdown(lines: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("--:" for _ in lines[0][1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some seconds, no figures")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", metavar="WORD", default="", help="in scenario names")
    parser.add_argument("--json", type=Path, metavar="FILE")
    said = parser.parse_args()
    chosen = [s for s in SCENARIOS if said.only in s.name]
    scenarios = [s.quick() for s in chosen] if said.quick else chosen
    count = 1 if said.quick else said.rounds
    facts = machine()
    processes.many_descriptors()
    with tempfile.TemporaryDirectory(prefix="tproxy-bench-") as place:
        folder = Path(place)
        with processes.targets(folder) as found:
            idle = found[-1].memory() / 1e6
            results = rounds(found, scenarios, count, folder)
            seconds = start_up(folder, found[0].port, count)
    lines = table(results, [target.name for target in found])
    print("; ".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n")
    print(markdown(lines), end="\n\n")
    print(f"start-up to first answer: {seconds:.2f} s; idle memory: {idle:.1f} MB")
    if said.json is not None:
        samples = {
            f"{scenario}/{target}": [attrs.asdict(sample) for sample in taken]
            for (scenario, target), taken in results.items()
        }
        told = {"machine": facts, "start_up": seconds, "idle": idle, "runs": samples}
        said.json.write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    _main()
