"""What TLS adds, to the provider and from the client, beside nginx doing the same.

Connections are kept, so that what is measured is each message's encryption; but for
"handshake", where each request brings a connection of its own. CPU is the proxy's, in
microseconds. Certificates are made with the openssl command.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import attrs

from bench import processes, reference, wire
from bench.load import Caller
from bench.processes import Target
from bench.relay import markdown
from bench.upstream import Provider, Stats
from bench.wire import HOST, KEY, PATH, TOKEN, Plan


@attrs.frozen
class Setting:
    """Which of the two ways is encrypted."""

    name: str
    client: bool = False
    provider: bool = False


@attrs.frozen
class Scenario:
    name: str
    plan: Plan
    connections: int
    anew: bool = False  # each request on a connection of its own


SETTINGS = (
    Setting("plain"),
    Setting("TLS to the provider", provider=True),
    Setting("TLS from the client", client=True),
    Setting("TLS both ways", client=True, provider=True),
)
SCENARIOS = (
    Scenario("1 KB request", Plan(), 32),
    Scenario("chunk, one at a time", Plan(chunks=200, gap=0.01), 40),
    Scenario("chunk, in bursts", Plan(chunks=500, burst=20, gap=0.02), 40),
    Scenario("handshake", Plan(), 8, anew=True),
)


def certificate(folder: Path) -> Path:
    """Made for this run: key and certificate in one file."""
    key, shown = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
        " -subj /CN=localhost -days 2 -addext subjectAltName=DNS:localhost"
        f" -keyout {key} -out {shown}".split(),
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + shown.read_bytes())
    both.chmod(0o600)
    return both


def nginx(folder: Path, port: int, upstream: int, setting: Setting) -> list[str]:
    command = reference.nginx(folder, port, upstream)
    path, both = folder / "nginx.conf", folder / "both.pem"
    text = path.read_text()
    if setting.client:
        text = text.replace(" backlog=4096;", f" ssl; ssl_certificate {both};")
        text = text.replace(" ssl;", f" ssl; ssl_certificate_key {both};")
    if setting.provider:
        text = text.replace("proxy_pass http:", "proxy_pass https:")
    path.write_text(text)
    return command


@contextmanager
def proxy(folder: Path, port: int, upstream: int, setting: Setting) -> Iterator[Target]:
    config, both = folder / "tproxy.yaml", folder / "both.pem"
    scheme = "https" if setting.provider else "http"
    listening = f"server: {{tls: {{cert: {both}, key: {both}}}}}\n"
    config.write_text(
        "state: {backend: memory}\n"
        f"{listening if setting.client else ''}"
        "models:\n"
        f"  - {{name: bench, provider: bench, token: {KEY}, model_size: SMALL,\n"
        f"     http_client_config: {{ca_file: {both}}},\n"
        f"     url: '{scheme}://localhost:{upstream}{PATH}',\n"
        "     requests_per_minute: 10000000, requests_per_day: 1000000000}\n"
    )
    config.chmod(0o600)
    command = processes.module(
        "tproxy", "--config", str(config), "--addr", f"{HOST}:{port}"
    )
    log = folder / "tproxy.log"
    with processes.started(command, log, {"AUTH_TOKEN": TOKEN}) as pid:
        yield Target("tproxy", port, pid)


@contextmanager
def targets(folder: Path, setting: Setting) -> Iterator[list[Target]]:
    """nginx, where it is installed, and the daemon; both answer."""
    upstream, port, front = (processes.free_port() for _ in range(3))
    secure = ["--tls"] if setting.provider else []
    provider = processes.module(
        "bench.tls", "--provide", upstream, "--folder", str(folder), *secure
    )
    with ExitStack() as running:
        running.enter_context(processes.started(provider, folder / "provider.log"))
        found = [running.enter_context(proxy(folder, port, upstream, setting))]
        if shutil.which("nginx"):
            command = nginx(folder, front, upstream, setting)
            log = folder / "nginx.log"
            pid = running.enter_context(processes.started(command, log))
            found.insert(0, Target("nginx", front, pid))
        for listening in (upstream, *(target.port for target in found)):
            _wait_for(listening)
        yield found


def _wait_for(port: int) -> None:
    for _ in range(200):
        with suppress(ConnectionRefusedError):
            socket.create_connection((HOST, port)).close()
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")


def load(
    target: Target, scenario: Scenario, folder: Path, setting: Setting, seconds: float
) -> dict[str, int]:
    """Ask in a process of its own; how many requests and chunks were answered."""
    command = processes.module("bench.tls", "--ask", target.port)
    command += ["--scenario", str(SCENARIOS.index(scenario))]
    command += ["--seconds", str(seconds), "--folder", str(folder)]
    command += ["--tls"] if setting.client else []
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


async def ask(
    port: int, scenario: Scenario, tls: ssl.SSLContext | None, seconds: float
) -> dict[str, int]:
    body, end = scenario.plan.body(), time.perf_counter() + seconds
    counted = {"requests": 0, "chunks": 0}

    async def work() -> None:
        caller = SecureCaller(port, tls=tls)
        while True:
            check = await caller.ask(scenario.plan, body)
            if check.problems:
                raise ValueError(check.problems)
            counted["requests"] += 1
            counted["chunks"] += len(check.late)
            if scenario.anew:
                caller.close()
            if time.perf_counter() >= end:
                break
        caller.close()

    await asyncio.gather(*[work() for _ in range(scenario.connections)])
    return counted


@attrs.define(eq=False)
class SecureCaller(Caller):
    """A client that speaks TLS where it is given a context."""

    _tls: ssl.SSLContext | None = None

    async def connect(self) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        self._reader = wire.Reader(response=True)
        name = None if self._tls is None else "localhost"
        self._transport, _ = await loop.create_connection(
            lambda: self, HOST, self._port, ssl=self._tls, server_hostname=name
        )
        return self._transport


async def provide(port: int, tls: ssl.SSLContext | None) -> None:
    """The mock provider; serves until cancelled."""
    stats, loop = Stats(), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Provider(stats), HOST, port, backlog=4_096, ssl=tls
    )
    await server.serve_forever()


def measure(seconds: float, rounds: int) -> list[list[str]]:
    """Rows of text: CPU of each, by scenario and setting."""
    samples: dict[tuple[str, str, str], list[float]] = {}
    for _ in range(rounds):
        for setting in SETTINGS:
            with tempfile.TemporaryDirectory(prefix="tproxy-bench-") as place:
                folder = Path(place)
                certificate(folder)
                with targets(folder, setting) as found:
                    for scenario in SCENARIOS:
                        for target in found:
                            before = target.cpu()
                            did = load(target, scenario, folder, setting, seconds)
                            what = "chunks" if scenario.plan.chunks else "requests"
                            cost = (target.cpu() - before) * 1e6 / did[what]
                            key = scenario.name, setting.name, target.name
                            samples.setdefault(key, []).append(cost)
    names = [name for name in ("nginx", "tproxy") if any(name in k for k in samples)]
    lines = [["CPU, µs", *names]]
    for scenario in SCENARIOS:
        for setting in SETTINGS:
            costs = [
                statistics.median(samples[scenario.name, setting.name, name])
                for name in names
            ]
            row = f"{scenario.name}, {setting.name}"
            lines.append([row, *(f"{cost:,.1f}" for cost in costs)])
    return lines


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    parser.add_argument("--rounds", type=int, default=3)
    for name in ("provide", "ask", "scenario"):
        parser.add_argument(f"--{name}", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--tls", action="store_true", help=argparse.SUPPRESS)
    said = parser.parse_args()
    tls = None
    if said.tls:
        both = said.folder / "both.pem"
        if said.provide:
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(both)
        else:
            tls = ssl.create_default_context(cafile=both)
    if said.provide:
        wire.run(provide(said.provide, tls))
    elif said.ask:
        scenario = SCENARIOS[said.scenario]
        print(json.dumps(wire.run(ask(said.ask, scenario, tls, said.seconds))))
    else:
        processes.many_descriptors()
        print(markdown(measure(said.seconds, said.rounds)))


if __name__ == "__main__":
    _main()
