"""What several processes count, added up by whichever is asked."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from tests.crew import ECHO, Kept, one_to_each
from tests.daemon import Daemon, running
from tests.observe.reading import number, series
from tests.serving import chat, request, run

SERVE = ("--config", "c.yaml", "--workers", "3")
LIMITED = ECHO.replace("model_size: SMALL", "model_size: SMALL, requests_per_day: 100")
CONFIGURATION = f"routing: {{hedge: [SMALL]}}\n{LIMITED}"


async def look(kept: Kept, path: str) -> bytes:
    reply = await kept.ask(request("GET", path).replace(b"proxy", b"localhost"))
    assert reply.status == 200
    return reply.body


async def scrape(kept: Kept) -> str:
    return (await look(kept, "/metrics")).decode()


async def until(kept: Kept, name: str, least: float) -> str:
    """What is told, once a number is no less."""
    while number(text := await scrape(kept), name) < least:  # noqa: ASYNC110 - of others
        await asyncio.sleep(0.05)
    return text


async def ask(kept: Kept, times: int) -> None:
    """And see that the last answer was counted, too."""
    for _ in range(times):
        assert (await kept.ask(chat())).status == 200
    await kept.ask(request("GET", "/ping"))


async def kill(daemon: Daemon, all_: list[Kept]) -> None:
    """Kill a worker, and wait until another has taken its place."""
    status = json.loads(await look(all_.pop(), "/status"))
    os.kill(status["worker"], signal.SIGKILL)
    await daemon.logged("a worker crashed, another follows")
    await until(all_[0], "tproxy_worker_starts_total", 4)


async def check(kept: Kept, asked: dict[str, int]) -> None:
    """One worker tells of all: so many requests to each model."""
    text, total = await scrape(kept), sum(asked.values())
    route = {"route": "/chat/completions", "client": "default"}
    assert number(text, "tproxy_requests_total", **route, status="200") == total
    assert number(text, "tproxy_hedging_requests_total", category="SMALL") == total
    for name in ("tproxy_attempts_total", "tproxy_attempt_duration_seconds_count"):
        assert {of["model"]: count for of, count in series(text, name)} == asked
    status = json.loads(await look(kept, "/status"))
    assert [each["requests"] for each in status["hedging"]] == [total]


def test_counts_add_up_to_what_was_asked_whoever_is_killed(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(CONFIGURATION)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            async with one_to_each(daemon.port, 3) as all_:
                await asyncio.gather(*map(ask, all_, (5, 7, 11)))
                for kept in all_:
                    await check(kept, {"echo/a": 23})

                await kill(daemon, all_)
                for kept in all_:
                    await check(kept, {"echo/a": 23})
                text = await scrape(all_[0])
                assert number(text, "tproxy_notices_total", level="error") == 1

            async with one_to_each(daemon.port, 3) as all_:
                await asyncio.gather(*map(ask, all_, (2, 2, 2)))
                # What each process is busy with is added up; what they share is not.
                await until(all_[0], "tproxy_workers", 3)
                text = await until(all_[0], "tproxy_client_connections", 3)
                told = series(text, "process_resident_memory_bytes")
                assert sorted(of["worker"] for of, _ in told) == ["1", "2", "3"]
                assert number(text, "tproxy_workers") == 3
                assert number(text, "tproxy_budget_limit") == 100
                assert number(text, "tproxy_budget_used") == 29
                assert number(text, "tproxy_breaker_state", state="closed") == 1
                for part in ("quotas", "shared"):
                    assert number(text, "tproxy_store_up", part=part) == 1

                renamed = CONFIGURATION.replace("echo/a", "echo/b")
                (tmp_path / "c.yaml").write_text(renamed)
                daemon.tell(signal.SIGHUP)
                await daemon.logged("reloaded")
                await asyncio.gather(*map(ask, all_, (1, 1, 1)))
                for kept in all_:
                    await check(kept, {"echo/a": 29, "echo/b": 3})
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)
