"""Several processes, one budget: exactly as many are admitted as may be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.state.servers import Server

LIMIT = 400
REFUSALS = 100  # each, so that there are twice as many attempts as places
PROCESSES = 4
KILLS = 3
TASKS = 8  # of a worker, so many may know of a place and not have said so

Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture(params=["sqlite", "redis"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Starts a worker on an empty store of each kind."""
    where = str(tmp_path / "state.db")
    if request.param == "redis":
        server: Server = request.getfixturevalue("server")
        server.say("FLUSHALL")
        where = server.url
    said = (request.param, where, str(LIMIT), str(REFUSALS))
    command = [sys.executable, "-m", "tests.state.worker", *said]
    return lambda: subprocess.Popen(command, stdout=subprocess.PIPE)


def admitted(worker: subprocess.Popen[bytes]) -> int:
    said, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    return said.count(b".")


def test_of_four_processes_attempts_exactly_the_limit_is_admitted(start: Start) -> None:
    workers = [start() for _ in range(PROCESSES)]

    assert sum(map(admitted, workers)) == LIMIT


def test_processes_that_are_killed_lose_no_count(start: Start) -> None:
    """What a worker was killed over may be used without anybody having been told."""
    workers = [start() for _ in range(PROCESSES)]
    said = 0
    for _ in range(KILLS):
        worker = workers.pop(0)
        assert worker.stdout is not None
        said += worker.stdout.read(20).count(b".")
        worker.kill()
        said += worker.communicate()[0].count(b".")
        workers.append(start())

    said += sum(map(admitted, workers))

    assert LIMIT - KILLS * TASKS <= said <= LIMIT
