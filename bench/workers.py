"""What a second worker gains, with exact quotas in SQLite and without any.

The machine has few cores, and the load (`wrk`) and the provider (nginx, which answers
by itself) want their part of them. So what is compared is the work: how many requests a
second of the workers' CPU time answers, with every retry for SQLite's lock in it. As
many workers on cores of their own do that many times their number, as long as each is
busy. Waiting for the lock shows as cores that are idle, which are told beside it, as
are the requests a second of all together.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench import processes, wire
from bench.exactness import workers
from bench.processes import Target
from bench.wire import HOST, KEY, PATH, TOKEN, Plan

WANTED = 1.7
CONNECTIONS = 48
PLENTY = 10**9


@attrs.frozen
class Sample:
    """One run: CPU in seconds, that of the workers and of the machine left idle."""

    requests: int
    seconds: float
    cpu: float
    idle: float

    @property
    def each(self) -> float:
        """Microseconds of the workers' CPU a request."""
        return self.cpu * 1e6 / self.requests


@contextmanager
def provider(folder: Path) -> Iterator[int]:
    """nginx, on its port."""
    port, path = processes.free_port(), folder / "nginx.conf"
    path.write_text(_NGINX % {"port": port, "folder": folder, "body": _ANSWER})
    command = [
        "nginx",
        "-e",
        f"{folder}/errors.log",
        "-p",
        str(folder),
        "-c",
        str(path),
    ]
    with processes.started(command, folder / "nginx.log"):
        yield port


@contextmanager
def daemon(folder: Path, upstream: int, count: int, limits: str) -> Iterator[Target]:
    config = (
        f"state: {{path: '{folder}/workers{count}.db'}}\n"
        "models:\n"
        f"  - {{name: bench, provider: bench, token: {KEY}, model_size: SMALL,\n"
        f"     url: 'http://{HOST}:{upstream}{PATH}'{limits}}}\n"
    )
    with processes.daemon(folder, config, "--workers", str(count)) as target:
        processes.answer_within(target.port, 20)
        yield target


def cpu_of(pids: list[int]) -> float:
    return sum(Target("worker", 0, pid).cpu() for pid in pids)


def idle() -> float:
    """Seconds that cores of this machine have had nothing to do."""
    words = Path("/proc/stat").read_text().split(maxsplit=6)
    return int(words[4]) / os.sysconf("SC_CLK_TCK")


def measured(target: Target, count: int, folder: Path, seconds: int) -> Sample:
    script = folder / "wrk.lua"
    script.write_text(_WRK % (TOKEN, Plan().body().decode()))
    pids = workers(target) if count > 1 else [target.pid]
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "-s", str(script)]
    cpu, left, begun = cpu_of(pids), idle(), time.perf_counter()
    said = subprocess.run(
        [*command, f"http://{HOST}:{target.port}{PATH}"],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    took = time.perf_counter() - begun
    failed = re.search(r"Non-2xx|Socket errors", said)
    assert failed is None, said
    found = re.search(r"(\d+) requests in", said)
    assert found is not None, said
    return Sample(int(found[1]), took, cpu_of(pids) - cpu, idle() - left)


def compare(rounds: int, seconds: int) -> Mapping[str, Mapping[int, list[Sample]]]:
    """Each count of workers in turn, with quotas and without, so many times over."""
    limits = f", requests_per_minute: {PLENTY}, requests_per_day: {PLENTY}"
    kinds = {"exact quotas": limits, "no quotas": ""}
    found: dict[str, dict[int, list[Sample]]] = {kind: {1: [], 2: []} for kind in kinds}
    with tempfile.TemporaryDirectory() as place, provider(Path(place)) as upstream:
        for _ in range(rounds):
            for kind, said in kinds.items():
                for count in (1, 2):
                    folder = Path(tempfile.mkdtemp(dir=place))
                    with daemon(folder, upstream, count, said) as target:
                        sample = measured(target, count, folder, seconds)
                    found[kind][count].append(sample)
    return found


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    said = parser.parse_args()
    for kind, by_count in compare(said.rounds, said.seconds).items():
        each = {}
        for count, samples in by_count.items():
            each[count] = statistics.median(sample.each for sample in samples)
            rate = statistics.median(s.requests / s.seconds for s in samples)
            unused = statistics.median(s.idle / s.seconds for s in samples)
            print(
                f"{kind}, {count} at work: {each[count]:.0f} µs of CPU a request; "
                f"{rate:,.0f} a second with load and provider, {unused:.2f} cores idle"
            )
        gain = 2 * each[1] / each[2]
        print(f"{kind}: two are worth {gain:.2f} of one (wanted: {WANTED})")


_ANSWER = wire.ANSWER.decode()
_NGINX = """
daemon off;
master_process off;
pid %(folder)s/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path %(folder)s/body;
    proxy_temp_path %(folder)s/proxy;
    fastcgi_temp_path %(folder)s/fastcgi;
    uwsgi_temp_path %(folder)s/uwsgi;
    scgi_temp_path %(folder)s/scgi;
    keepalive_requests 10000000;
    default_type application/json;
    server { listen 127.0.0.1:%(port)d; return 200 '%(body)s'; }
}
"""
_WRK = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer %s"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[%s]==]
"""

if __name__ == "__main__":
    _main()
