"""The daemon chooses among three by each strategy, which a reload changes."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.daemon import Daemon, running
from tests.serving import Reply, chat, run, send

MODELS = """
models:
  - {name: echo/a, provider: echo, model_size: SMALL, requests_per_day: 20,
     price: {input: 2, output: 2}, weight: 0.000001}
  - {name: echo/b, provider: echo, model_size: SMALL, requests_per_day: 20,
     price: {input: 1, output: 1}, weight: 0.000001, priority: 2}
  - {name: echo/c, provider: echo, model_size: SMALL, requests_per_day: 1000,
     price: {input: 2, output: 2}, weight: 1000000, priority: 3}
"""


def test_each_strategy_is_taken_up(tmp_path: Path) -> None:
    file = tmp_path / "tproxy.yaml"

    def write(strategy: str) -> None:
        file.write_text(f"{MODELS}routing: {{strategy: {strategy}}}\n")

    async def by(daemon: Daemon, strategy: str) -> Reply:
        write(strategy)
        daemon.tell(signal.SIGHUP)
        await daemon.logged("reloaded")
        return await send(daemon.port, chat())

    async def test() -> None:
        async with running("--config", "tproxy.yaml", cwd=tmp_path) as daemon:
            cheap = await by(daemon, "cost")
            ample = await by(daemon, "headroom")
            lucky = await by(daemon, "weighted")
            timed = [await by(daemon, "latency")]
            timed += [await send(daemon.port, chat()) for _ in range(3)]

        assert told(cheap).startswith("echo/b: cost about $0.000")
        assert told(ample) == "echo/c: headroom 100%"  # rounded, of 1000
        assert told(lucky) == "echo/c: weight 1000000"
        assert list(map(told, timed[:3])) == [
            f"echo/{name}: latency not known" for name in "abc"
        ]
        assert ": latency about 0.0" in told(timed[3])

    write("priority")
    run(test)


def told(reply: Reply) -> str:
    """Who answered, and why."""
    assert reply.status == 200, reply.body
    why = reply.headers["x-tproxy-reason"].removeprefix("category SMALL; ")
    return f"{reply.headers['x-tproxy-model']}: {why}"
