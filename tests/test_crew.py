"""The real daemon in several processes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.crew import ECHO, SERVE, one_to_each, workers
from tests.daemon import result, running
from tests.serving import Reply, chat, run, send

CRASHED = "a worker crashed, another follows"


def test_two_serve_one_port_and_log_as_one(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO + "server: {workers: 2}\n")
        async with running("--config", "c.yaml", cwd=tmp_path) as daemon:
            assert daemon.lines[-1]["workers"] == len(workers(daemon)) == 2
            async with one_to_each(daemon.port) as both:
                ids = [
                    (await kept.ask(chat())).headers["x-request-id"]
                    for kept in both
                    for _ in range(5)
                ]
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

            assert len(set(ids)) == 10
            said = [line["message"] for line in daemon.lines]
            logged = {str(x.get("request_id")) for x in daemon.lines}
            assert set(ids) <= logged
            assert (said[0], said[-1]) == ("serving", "stopped")
            for word in ("serving", "draining", "stopped"):
                assert said.count(word) == 1

    run(test, seconds=30)


def test_they_count_together(tmp_path: Path) -> None:
    async def test() -> None:
        limit = "model_size: SMALL, requests_per_day: 5"
        (tmp_path / "c.yaml").write_text(ECHO.replace("model_size: SMALL", limit))
        async with running(*SERVE, cwd=tmp_path) as daemon:
            async with one_to_each(daemon.port) as both:
                asked = [await kept.ask(chat()) for _ in range(5) for kept in both]

            statuses = [reply.status for reply in asked]
            assert statuses == [200] * 5 + [429] * 5
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)


def test_without_a_store_there_is_no_start(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO + "state: {path: c.yaml}\n")
        code, out, err = await result(*SERVE, "--addr", "127.0.0.1:0", cwd=tmp_path)

        assert (code, out) == (1, "")
        assert '"cause": "' in err
        assert "c.yaml: " in err.partition('"cause": "')[2]
        assert "no worker could start" in err
        assert "Traceback" not in err

    run(test, seconds=30)


def test_a_killed_worker_takes_nobody_elses_request_with_it(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            async with one_to_each(daemon.port) as (one, other):
                killed = workers(daemon)[0]
                os.kill(killed, signal.SIGKILL)
                # Those that are dealt to it wait for its follower.
                asked = [send(daemon.port, chat()) for _ in range(40)]
                replies = await asyncio.gather(*asked)

                assert {reply.status for reply in replies} == {200}
                assert (await daemon.logged(CRASHED))["pid"] == killed
                ends = await asyncio.gather(
                    one.ask(chat()), other.ask(chat()), return_exceptions=True
                )
                alive = [end for end in ends if isinstance(end, Reply)]
                assert [reply.status for reply in alive] == [200]
                assert len(workers(daemon)) == 2
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)


def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    async def test() -> None:
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            daemon.tell(signal.SIGKILL)
            await daemon.ended()  # of standard error, which the last of them closes

            with socket.socket() as new:
                assert new.connect_ex(("127.0.0.1", daemon.port)) != 0

    run(test, seconds=30)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_each_kind_of_loop_works_in_workers(loop: str, tmp_path: Path) -> None:
    async def test() -> None:
        if loop == "asyncio":  # found before the real one
            (tmp_path / "uvloop.py").write_text("raise ImportError")
        (tmp_path / "c.yaml").write_text(ECHO)
        async with running(*SERVE, cwd=tmp_path) as daemon:
            assert daemon.lines[-1]["loop"] == loop
            async with one_to_each(daemon.port) as both:
                for kept in both:
                    assert (await kept.ask(chat())).status == 200
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)
