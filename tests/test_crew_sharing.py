"""What several processes know together: whose breaker is open, and who began when."""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import time
from pathlib import Path

from tests.crew import SERVE, Kept, one_to_each
from tests.daemon import running
from tests.provider import Provider
from tests.serving import chat, request, run
from tproxy.core.breaker import State

INTERVAL = 0.15
CONFIGURATION = """\
providers:
  far: {url: "http://127.0.0.1:%s/v1", token: key, min_interval: %sms}
models:
  - {name: far/a, provider: far, model_size: SMALL}
  - {name: echo/b, provider: echo, model_size: SMALL, priority: 2}
"""


async def breaker(kept: Kept) -> str:
    """That of the first model, as the worker there has it."""
    status = json.loads((await kept.ask(request("GET", "/status"))).body)
    return str(status["breakers"][0]["state"])


def test_what_one_worker_has_seen_failing_rests_for_the_other(tmp_path: Path) -> None:
    async def test() -> None:
        async with Provider(401) as provider:
            (tmp_path / "c.yaml").write_text(CONFIGURATION % (provider.port, 1))
            async with running(*SERVE, cwd=tmp_path) as daemon:
                async with one_to_each(daemon.port) as (one, other):
                    assert (await one.ask(chat())).status == 200
                    begun = time.monotonic()
                    while await breaker(other) != State.OPEN.value:  # noqa: ASYNC110 - it is told to workers
                        await asyncio.sleep(0.05)
                    assert time.monotonic() - begun < 5.0
                    for _ in range(3):
                        reply = await other.ask(chat())
                        assert reply.headers["x-tproxy-model"] == "echo/b"
                assert len(provider.asked) == 1
                daemon.tell(signal.SIGTERM)
                assert await daemon.ended() == 0

    run(test, seconds=30)


def test_calls_of_all_workers_begin_so_far_apart(tmp_path: Path) -> None:
    async def test() -> None:
        async with Provider() as provider:
            interval = int(1_000 * INTERVAL)
            (tmp_path / "c.yaml").write_text(CONFIGURATION % (provider.port, interval))
            async with running(*SERVE, cwd=tmp_path) as daemon:
                async with one_to_each(daemon.port) as both:

                    async def ask(kept: Kept) -> None:
                        for _ in range(4):
                            assert (await kept.ask(chat(model="far/a"))).status == 200

                    await asyncio.gather(*map(ask, both))
                gaps = [after - at for at, after in itertools.pairwise(provider.asked)]
                assert len(gaps) == 7
                assert min(gaps) > 0.8 * INTERVAL  # the way there is not always as long
                daemon.tell(signal.SIGTERM)
                assert await daemon.ended() == 0

    run(test, seconds=30)
