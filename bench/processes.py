"""The processes that are measured, and what the kernel knows of them."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import attrs

from bench import reference
from bench.upstream import Stats
from bench.wire import HOST, KEY, PATH, TOKEN, Plan

_ROOT = Path(__file__).parent.parent
_TICKS = os.sysconf("SC_CLK_TCK")  # a second; CPU time is known in such steps


@attrs.frozen
class Target:
    """Something that answers chat requests on `port`."""

    name: str
    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of CPU so far, of all threads, in user and kernel."""
        words = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / _TICKS

    def memory(self) -> int:
        """Bytes resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s*(\d+) kB", status)
        return int(found[1]) * 1_024 if found else 0

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def stats(self) -> Stats:
        """Asked of the mock provider: what arrived there."""
        with urllib.request.urlopen(f"http://{HOST}:{self.port}/stats") as answer:
            return Stats(**json.load(answer))


def module(name: str, *arguments: str | int) -> list[str]:
    return [sys.executable, "-m", name, *map(str, arguments)]


def ended(pid: int) -> bool:
    """Whether a child has exited, though nobody has asked it how."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return state == "Z"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def started(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A child process, by its id, until the block is left."""
    with log.open("ab") as sink:
        child = subprocess.Popen(
            command,
            cwd=_ROOT,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
        )
    try:
        yield child.pid
    finally:
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def answer_within(port: int, seconds: float) -> float:
    """Ask until an answer comes; return after how long.

    Raises:
        TimeoutError: none did.
    """
    begun = time.perf_counter()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    while (took := time.perf_counter() - begun) < seconds:
        with (
            closing(HTTPConnection(HOST, port, timeout=seconds)) as connection,
            suppress(OSError, HTTPException),
        ):
            connection.request("POST", PATH, Plan().body(), headers)
            if connection.getresponse().status == 200:
                return time.perf_counter() - begun
        time.sleep(0.005)
    raise TimeoutError(f"no answer on port {port} in {took:.1f} s")


@contextmanager
def daemon(
    folder: Path,
    config: str,
    *flags: str,
    program: str = "tproxy",
    port: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Target]:
    """The daemon on `port`, or a free one; its configuration is put into `folder`.

    That is `tproxy.yaml`; its log is `tproxy.log` beside it.
    """
    port, file = port or free_port(), folder / "tproxy.yaml"
    file.write_text(config)
    file.chmod(0o600)
    environ = {
        "AUTH_TOKEN": TOKEN,
        "RETRY_BASE_DELAY": "10ms",
        "RETRY_MAX_DELAY": "100ms",
        "RETRY_MAX_RETRIES": "1",
        **(environ or {}),
    }
    place = ("--config", str(file), "--addr", f"{HOST}:{port}")
    command = module(program, *place, *flags)
    with started(command, folder / "tproxy.log", environ) as pid:
        yield Target("tproxy", port, pid)


@contextmanager
def proxy(folder: Path, upstream: int) -> Iterator[Target]:
    """The daemon as an operator runs it: quotas on, one line of log a request."""
    config = (
        "state: {backend: memory}\n"
        "models:\n"
        f"  - {{name: bench, provider: bench, token: {KEY}, model_size: SMALL,\n"
        "     http_client_config: {max_conns_per_host: 4000},\n"
        f"     url: 'http://{HOST}:{upstream}{PATH}',\n"
        "     requests_per_minute: 10000000, requests_per_day: 1000000000}\n"
    )
    with daemon(folder, config) as target:
        yield target


@contextmanager
def provider(folder: Path) -> Iterator[Target]:
    """The mock provider, answering; the line to it is the direct one."""
    port = free_port()
    command = module("bench.upstream", "--port", port)
    with started(command, folder / "provider.log") as pid:
        target = Target("direct", port, pid)
        answer_within(port, 10)
        yield target


@contextmanager
def targets(folder: Path) -> Iterator[list[Target]]:
    """All that is compared, each answering: the provider first, the daemon last."""
    with ExitStack() as running:
        direct = running.enter_context(provider(folder))
        commands = {}
        port = free_port()
        bare = module("bench.reference", "--port", port, "--upstream", direct.port)
        commands["bare relay"] = port, bare
        if shutil.which("nginx"):
            port = free_port()
            commands["nginx"] = port, reference.nginx(folder, port, direct.port)
        found = [direct]
        for name, (port, command) in commands.items():
            pid = running.enter_context(started(command, folder / f"{name}.log"))
            found.append(Target(name, port, pid))
        found.append(running.enter_context(proxy(folder, direct.port)))
        for target in found:
            answer_within(target.port, 10)
        yield found


def many_descriptors() -> None:
    """Let children hold thousands of connections, where the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16_384), most))
