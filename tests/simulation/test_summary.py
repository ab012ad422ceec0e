"""Replays of whole logs: one that a proxy wrote, and those that the command reads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import attrs
import pytest

from tests.clocks import FakeClock
from tests.serving import TOKEN, chat, client, model, run, send, settings
from tests.simulation.records import fates, line, replayed
from tests.values import per
from tproxy.app import Proxy
from tproxy.cli import main
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.windows import DAY, MINUTE, Kind, Window
from tproxy.observe.log import JsonLog
from tproxy.settings import Settings
from tproxy.simulation import summary
from tproxy.simulation.summary import simulate

OTHER = "another-token"
DAILY = Limit(Unit.REQUESTS, 9, Window(DAY, Kind.CALENDAR, "Europe/Berlin"))
NARROW = attrs.evolve(client("narrow", OTHER), budgets=(Budget("own", (per(5, 2),)),))
AMPLE = settings(
    model("echo/a", aliases=("first",)),
    model("echo/b"),
    model("echo/c", priority=2),
    model("echo/big", category="BIG"),
    clients=(client(), NARROW),
)
SCARCE = settings(
    model("echo/a", aliases=("first",), limits=(per(10, 3), DAILY)),
    model("echo/b", limits=(per(MINUTE, 2),)),
    model("echo/c", limits=(per(20, 1),), priority=2),
    model("echo/big", limits=(per(30, 2),), category="BIG"),
    clients=(client(), NARROW),
)
NAMES = ("SMALL", "BIG", "echo/a", "SMALL", "first", None, "SMALL")


def asking(name: str | None, *, stream: bool) -> bytes:
    messages = [{"role": "user", "content": "Hello"}]
    named = {} if name is None else {"model": name}
    body = {**named, "stream": stream, "messages": messages}
    return chat(json.dumps(body).encode())


def served(by: Settings) -> tuple[list[str], list[str]]:
    """What a proxy answers, as `fates` puts it, and the log that it writes."""
    log, clock = io.StringIO(), FakeClock()
    answers: list[str] = []

    async def test() -> None:
        proxy = Proxy(by, JsonLog(log, clock), clock=clock)
        await proxy.start()
        try:
            for number in range(120):
                said = asking(NAMES[number % len(NAMES)], stream=number % 2 == 0)
                if number % 5 == 0:
                    said = said.replace(TOKEN.encode(), OTHER.encode())
                reply = await send(proxy.port, said)
                refused = {429: "refused"}.get(reply.status, str(reply.status))
                answers.append(reply.headers.get("x-tproxy-model", refused))
                clock.advance(40.0 if number % 30 == 29 else 0.75)
        finally:
            await proxy.stop()

    run(test, seconds=30.0)
    return answers, log.getvalue().splitlines()


@pytest.mark.parametrize("written", [AMPLE, SCARCE], ids=["ample", "scarce"])
def test_a_replay_decides_as_a_proxy_does(written: Settings) -> None:
    _, log = served(written)
    answers, _ = served(SCARCE)
    assert {"echo/a", "echo/b", "echo/c", "echo/big", "refused"} == set(answers)

    decisions, _ = replayed([text.encode() for text in log], by=SCARCE)

    assert fates(decisions) == answers


CONFIG = """\
models:
  - {name: p/a, provider: echo, model_size: SMALL, requests_per_minute: 2}
  - {name: p/b, provider: echo, model_size: SMALL, priority: 2, requests_per_minute: 1}
clients: [{name: tester, token: a-client-token-of-tests}]
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    log, config = tmp_path / "access.log", tmp_path / "tproxy.yaml"
    log.write_bytes(
        b'{"message": "serving"}\nnonsense\n'
        + b"".join(line(at) for at in range(5))
        + line(5, asked="gone\x1b[2J", client="stranger")
        + line(70, status=429, model=None, attempts=None)
    )
    config.write_text(CONFIG)
    config.chmod(0o600)
    return "simulate", "--log", str(log), "--config", str(config)


def test_json_tells_all(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files, "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["lines"] == {
        "replayed": 7,
        "unasked": 0,
        "other": 1,
        "unreadable": 1,
        "late": 0,
    }
    assert said["begins"] == "2025-06-01T12:00:00.000+00:00"
    assert said["ends"] == "2025-06-01T12:01:10.000+00:00"
    assert said["requests"] == {
        "answered": 4,
        "refused": 2,
        "failed": 0,
        "unfit": 0,
        "unknown": 1,
        "regained": 1,
    }
    assert said["rerouted"] == [{"from": "p/a", "to": "p/b", "requests": 1}]
    assert said["refused"] == [
        {
            "budget": "model/p/a",
            "limit": "requests per minute",
            "requests": 2,
            "first": "2025-06-01T12:00:03.000+00:00",
            "longest_wait": 57.5,
        }
    ]
    assert said["budgets"] == [
        {
            "name": "model/p/a",
            "dry": "2025-06-01T12:00:01.000+00:00",
            "times": 1,
            "seconds": 59.5,
        },
        {
            "name": "model/p/b",
            "dry": "2025-06-01T12:00:02.000+00:00",
            "times": 1,
            "seconds": 60.5,
        },
    ]
    assert said["clients"][0] == {
        "name": "tester",
        "answered": 4,
        "refused": 2,
        "failed": 0,
        "unfit": 0,
        "unknown": 0,
        "rerouted": 1,
    }
    assert said["unknown"]["models"] == {"gone\x1b[2J": 1}


def test_the_report_reads_well(
    files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*files]) == 0

    assert (
        capsys.readouterr().out
        == """\
7 requests replayed, begun from 2025-06-01 12:00:00Z to 2025-06-01 12:01:10Z: \
4 answered, 2 refused, 1 unknown.
1 answered that the log saw unanswered.
Skipped: 0 requests without a model, 1 other lines, 1 unreadable. Out of place: 0.

CLIENT    ANSWERED  REFUSED  FAILED  UNFIT  UNKNOWN  REROUTED
tester    4         2        0       0      0        1
stranger  0         0        0       0      1        0

REROUTED FROM  TO   REQUESTS
p/a            p/b  1

REFUSED BY  LIMIT                REQUESTS  FIRST                 LONGEST WAIT
model/p/a   requests per minute  2         2025-06-01 12:00:03Z  58 s

RAN DRY    FIRST                 TIMES  IN ALL
model/p/a  2025-06-01 12:00:01Z  1      60 s
model/p/b  2025-06-01 12:00:02Z  1      61 s

UNKNOWN MODEL  REQUESTS
gone?[2J       1
"""
    )


def test_what_cannot_be_read_is_told(
    files: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, log, _, config = files
    gone = str(tmp_path / "gone")

    assert main(["simulate", "--log", gone, "--config", config]) == 1
    assert main(["simulate", "--log", str(tmp_path), "--config", config]) == 1
    assert main(["simulate", "--log", log]) == 2
    assert main(["simulate", "--log", log, "--config", gone]) == 2

    assert "gone: No such file or directory." in capsys.readouterr().err


def test_an_empty_log_has_a_report(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()

    assert simulate(empty, AMPLE).text().startswith("0 requests replayed.\n")


def test_a_log_brings_along_as_many_names_as_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(summary, "_MOST_NAMES", 3)
    log = tmp_path / "log"
    log.write_bytes(
        b"".join(line(n, client=f"c{n}", asked=f"m{n}") for n in range(9))
        + b"".join(line(n, client=f"c{n}", model=f"m{n}") for n in range(9))
    )

    found = simulate(log, AMPLE)

    assert found.clients.keys() == {"c0", "c1", "c2", "(others)"}
    assert found.unknown_models == {"m0": 1, "m1": 1, "m2": 1, "(others)": 6}
    assert len(found.rerouted) <= 3 + len(AMPLE.models)
    assert sum(found.rerouted.values()) == 9
