"""Where parts are measured: a watched daemon, and what it says of itself."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs

from bench import processes, watched
from bench.processes import Target
from bench.watched import Seen
from bench.wire import HOST, KEY, PATH, Plan

_SETTLING = 10.0  # seconds


def body(plan: Plan, model: str, size: int = 1_024) -> bytes:
    """A request for `model`."""
    return plan.body(size).replace(b'"model":"bench"', b'"model":"%b"' % model.encode())


def model(name: str, port: int, *keys: str, category: str = "SMALL") -> str:
    """An entry of `models:`, asked at `port`; `keys` as in the file."""
    said = (
        f"name: {name}",
        f"provider: {name}",
        f"token: {KEY}",
        f"model_size: {category}",
        f"url: 'http://{HOST}:{port}{PATH}'",
        *keys,
    )
    return f"  - {{{', '.join(said)}}}\n"


MEMORY = "state: {backend: memory}"


def config(models: Sequence[str], *more: str) -> str:
    return "\n".join((*(more or (MEMORY,)), "models:\n")) + "".join(models)


@attrs.frozen
class House:
    """A watched daemon that answers, and what can be learned of it."""

    daemon: Target
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "tproxy.yaml"

    def tell(self, number: signal.Signals) -> None:
        os.kill(self.daemon.pid, number)

    def seen(self) -> Seen:
        """What its probe saw since the last look."""
        file = self.folder / "seen"
        file.unlink(missing_ok=True)
        self.tell(signal.SIGUSR1)
        until = time.monotonic() + _SETTLING
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.005)
        return Seen(**json.loads(file.read_text()))

    def status(self) -> dict[str, Any]:
        """`GET /status`."""
        address = f"http://{HOST}:{self.daemon.port}/status"
        with urllib.request.urlopen(address, timeout=_SETTLING) as answer:
            said: dict[str, Any] = json.load(answer)
            return said

    def settled(self) -> dict[str, Any]:
        """Its status, once nothing is under way, or after a while."""
        until = time.monotonic() + _SETTLING
        while under_way(status := self.status()) and time.monotonic() < until:
            time.sleep(0.05)
        return status

    async def drained(self) -> float:
        """Tell it to end, and wait until it has; after how many seconds."""
        begun = time.monotonic()
        self.tell(signal.SIGTERM)
        while not processes.ended(self.daemon.pid):  # noqa: ASYNC110 - not ours to tell
            await asyncio.sleep(0.01)
        return time.monotonic() - begun

    def requests(self) -> list[dict[str, Any]]:
        """What its log has of requests; some of it is written late."""
        lines = (self.folder / "tproxy.log").read_text().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in said if line["message"] == "request"]


def under_way(status: dict[str, Any]) -> int:
    """Requests, leases and places in line that are not given back."""
    leases = sum(budget["under_way"] for budget in status["budgets"])
    waiting = sum(queue["waiting"] for queue in status["queues"])
    return int(status["active"] + leases + waiting)


def used(status: dict[str, Any], budget: str, unit: str = "requests") -> float:
    """What a budget has counted in its longest window."""
    [found] = [each for each in status["budgets"] if each["name"] == budget]
    figure: float = max(x["used"] for x in found["limits"] if x["unit"] == unit)
    return figure


@contextmanager
def serving(
    folder: Path, config: str, *flags: str, port: int | None = None
) -> Iterator[House]:
    """The watched daemon, once it is ready."""
    folder.mkdir(exist_ok=True)
    environ = {watched.FILE: str(folder / "seen")}
    with processes.daemon(
        folder, config, *flags, program="bench.watched", port=port, environ=environ
    ) as daemon:
        house = House(daemon, folder)
        _wait_until_ready(house)
        yield house


def _wait_until_ready(house: House) -> None:
    """Wait until it takes requests.

    Raises:
        TimeoutError: it never does; with its log.
    """
    address = f"http://{HOST}:{house.daemon.port}/readyz"
    until = time.monotonic() + _SETTLING
    while time.monotonic() < until and not processes.ended(house.daemon.pid):
        with suppress(OSError):
            urllib.request.urlopen(address, timeout=1).close()
            return
        time.sleep(0.01)
    raise TimeoutError((house.folder / "tproxy.log").read_text())


@contextmanager
def full_listener() -> Iterator[int]:
    """A port to which no connection is ever made, and none refused.

    Its queue is full and nobody takes from it, so that the system lets whoever knocks
    knock again (Linux: `tcp_abort_on_overflow` is off).
    """
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(8):
            knocking = stack.enter_context(socket.socket())
            knocking.setblocking(False)
            knocking.connect_ex((HOST, port))
        time.sleep(0.05)
        yield port
