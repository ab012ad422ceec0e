"""`tproxy status`: what it prints, and what it says where there is nothing to print."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.daemon import result, running
from tests.serving import TOKEN, chat, run, send
from tproxy.core.secret import Secret
from tproxy.core.status import (
    BreakerStatus,
    BudgetStatus,
    ClientStatus,
    HedgingStatus,
    LimitStatus,
    ModelStatus,
    QueueStatus,
    Status,
)
from tproxy.status import Unanswered, ask, lasting, table

NONE = Secret("")
BARE = Status("1.2.3", 4711, 11_520.0, False, 1, (), (), (), (), ())


def of(unit: str, *figures: float, **changes: Any) -> LimitStatus:
    limit, left = figures
    used = limit - left
    usual = LimitStatus(unit, "day", limit, 0, used, left, 41.2, "counted", 3.0, 0)
    return attrs.evolve(usual, **changes)


FULL = attrs.evolve(
    BARE,
    draining=True,
    active=2,
    models=(
        ModelStatus("groq/a", "groq", "chat", 1, "BIG", True, None, 0.0, ()),
        ModelStatus("g/b", "g", "image", 10, None, False, "quota spent", 90.0, ()),
        ModelStatus("g/c", "g", "chat", 1, None, False, "not served", None, ()),
    ),
    budgets=(
        BudgetStatus("model/groq/a", (), 0, None, 0.0),
        BudgetStatus(
            "pool/p",
            (
                of("requests", 1500, 1340, source="header", drift=8),
                of("usd", 50.0, 44.991, resets_in=0.0, source="declared"),
            ),
            2,
            8,
            7.5,
        ),
    ),
    breakers=(
        BreakerStatus("groq/a", "closed", 0.0, 0, 0),
        BreakerStatus("g/b", "open", 8.2, 5, 1),
    ),
    clients=(ClientStatus("team", "high", ("client/team", "pool/p")),),
    queues=(QueueStatus("provider/g", 12),),
    hedging=(HedgingStatus("BIG", 1_200, 42, 40, 10),),
)


def body(status: Status) -> str:
    return json.dumps(attrs.asdict(status))


def test_the_table() -> None:
    assert table(body(FULL)).splitlines() == [
        "tproxy 1.2.3, up 3 h 12 min, worker 4711, 2 requests under way, draining",
        "",
        "MODEL   PROVIDER  SIZE  KIND   PRIORITY  STATE",
        "groq/a  groq      BIG   chat   1         available",
        "g/b     g               image  10        quota spent, for 1 min 30 s",
        "g/c     g               chat   1         not served",
        "",
        "BUDGET  OF                LEFT           RESETS IN  SOURCE",
        "pool/p  requests per day  1,340/1,500    42 s       header 3 s ago, drift +8",
        "        usd per day       $44.99/$50.00  -          declared",
        "        at once           6/8",
        "        rests                            8 s        error",
        "",
        "BREAKER  STATE  RESTS FOR  FAILURES",
        "g/b      open   9 s        5",
        "",
        "CLIENT  PRIORITY  BUDGETS",
        "team    high      client/team, pool/p",
        "",
        "QUEUE       WAITING",
        "provider/g  12",
        "",
        "HEDGING  REQUESTS  HEDGED  WON  LEFT",
        "BIG      1200      42      40   10",
    ]


def test_what_there_is_none_of_has_no_table() -> None:
    said = table(body(BARE))

    assert said == "tproxy 1.2.3, up 3 h 12 min, worker 4711, 1 request under way"


def test_a_terminal_is_sent_no_commands() -> None:
    hostile = ClientStatus("\x1b[2Jx\ny", "high", ())
    said = table(body(attrs.evolve(BARE, version="\x07", clients=(hostile,))))

    assert "?[2Jx?y" in said
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "said",
    [
        "null",
        "[]",
        "{}",
        body(BARE).replace('"models": []', '"models": [1]'),
        body(BARE).replace("4711", '"a"'),
    ],
)
def test_what_is_of_another_shape_is_no_table(said: str) -> None:
    with pytest.raises(Unanswered, match="of this version"):
        table(said)


def test_what_a_later_version_says_more_is_passed_over() -> None:
    later = {**json.loads(body(FULL)), "more": 1}

    assert table(json.dumps(later)) == table(body(FULL))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "-"),
        (-1.0, "-"),
        (float("inf"), "-"),
        (float("nan"), "-"),
        (0.2, "1 s"),
        (59.0, "59 s"),
        (59.5, "1 min"),
        (61.0, "1 min 1 s"),
        (3_599.5, "1 h"),
        (3_601.0, "1 h 1 min"),
        (54_480.0, "15 h 8 min"),
        (86_400.0, "1 d"),
        (90_001.0, "1 d 2 h"),
        (2_678_400.0, "31 d"),
    ],
)
def test_durations_in_human_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_there_is_said() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(Unanswered) as raised:
        ask(url, NONE)

    assert str(raised.value) == f"{url} cannot be reached: Connection refused"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "http://",
        "http://a:b",
        "http://a b",
        "http://[::1",
        "http://a/b c",
        "http://a/\r\nX: y",
        "http://user:secret@127.0.0.1",
        "unix:",
        "unix:/a\0b",
    ],
)
def test_what_is_no_url_is_said_and_not_repeated(url: str) -> None:
    with pytest.raises(Unanswered, match="no URL such as") as raised:
        ask(url, NONE)

    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("token", ["a\r\nX: y", "t\xf6ken"])
def test_a_token_that_cannot_be_sent_is_not_shown(token: str) -> None:
    with pytest.raises(Unanswered, match="AUTH_TOKEN cannot be sent") as raised:
        ask("http://127.0.0.1", Secret(token))

    assert token not in str(raised.value)


def answering(raw: bytes, test: Callable[[str], None]) -> bytes:
    """Run `test` against a server that says `raw`; what it was sent."""
    heard = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    async def whole() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await asyncio.to_thread(test, f"http://127.0.0.1:{port}")

    run(whole)
    return heard


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"SSH-2.0-x\r\n", "does not speak HTTP"),
        (b"", "cannot be reached|does not speak HTTP"),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"a":', "is no tproxy"),
        (b"HTTP/1.1 200 OK\r\n\r\n<html>", "is no tproxy"),
        (b"HTTP/1.1 200 OK\r\n\r\n\xff", "is no tproxy"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, "is no tproxy"),
        (b"HTTP/1.1 401 No\r\n\r\n", "AUTH_TOKEN in the environment has to be"),
        (b"HTTP/1.1 404 No\r\n\r\n{}", "answers 404 where /status should be"),
        (b"HTTP/1.1 302 Go\r\nLocation: http://a.test/\r\n\r\n", "answers 302"),
    ],
)
def test_what_is_no_status_is_said(raw: bytes, words: str) -> None:
    def test(url: str) -> None:
        with pytest.raises(Unanswered, match=words) as raised:
            ask(url, Secret(TOKEN))
        assert TOKEN not in str(raised.value)

    answering(raw, test)


@pytest.mark.parametrize(
    ("below", "path"),
    [("", "/status"), ("/", "/status"), ("/v1/", "/v1/status"), ("/ai", "/ai/status")],
)
def test_the_token_goes_in_a_header_below_the_url(below: str, path: str) -> None:
    def test(url: str) -> None:
        assert ask(url + below, Secret(TOKEN)) == "{}"

    heard = answering(b"HTTP/1.1 200 OK\r\n\r\n{}", test).decode().split("\r\n")

    assert heard[0] == f"GET {path} HTTP/1.1"
    assert f"Authorization: Bearer {TOKEN}" in heard


def test_a_running_proxy_is_shown(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "models: [{name: echo/a, provider: echo, model_size: SMALL,"
        " requests_per_day: 1000}]\n"
    )

    async def test() -> None:
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            assert (await send(daemon.port, chat())).status == 200
            url = f"http://127.0.0.1:{daemon.port}"

            code, out, err = await result("status", "--url", url, cwd=tmp_path)
            assert (code, err) == (0, "")
            assert f"worker {daemon.process.pid}" in out
            assert "echo/a  echo      SMALL  chat  1         available" in out
            assert "requests per day  999/1,000" in out

            port = {"PORT": str(daemon.port), "AUTH_TOKEN": ""}
            code, out, err = await result(
                "status", "--json", cwd=tmp_path, environ=port
            )
            assert (code, err) == (0, "")
            assert json.loads(out)["budgets"][0]["limits"][0]["left"] == 999

            wrong = {"AUTH_TOKEN": "another-token"}
            code, out, err = await result(
                "status", "-url", url, cwd=tmp_path, environ=wrong
            )
            assert (code, out, err.count("\n")) == (1, "", 1)
            assert err.startswith(f"tproxy status: {url} refuses: ")
            assert "another-token" not in err

    run(test, 30.0)
