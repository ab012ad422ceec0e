"""A parent and its workers, as real processes."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.daemon import Daemon, python
from tests.serving import run

CRASHED = "a worker crashed, another follows"


@asynccontextmanager
async def supervised(*jobs: str) -> AsyncIterator[Daemon]:
    process = await python("tests.workers.scripted", *jobs, cwd=Path())
    daemon = Daemon(process)
    try:
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def pids(daemon: Daemon, count: int) -> dict[int, int]:
    """Those of the workers, by number, as so many of them begin."""
    lines = [await daemon.logged("at work") for _ in range(count)]
    return {int(str(line["worker"])): int(str(line["pid"])) for line in lines}


def test_all_drain_and_end_together() -> None:
    async def test() -> None:
        async with supervised("steady", "steady", "steady") as daemon:
            await daemon.logged("started")
            daemon.tell(signal.SIGTERM)

            assert await daemon.ended() == 0
            said = [str(line["message"]) for line in daemon.lines]
            assert said.count("drained") == said.count("told to end") == 3
            last_drained = max(i for i, word in enumerate(said) if word == "drained")
            assert said.index("told to end") > last_drained
            assert said[-1] == "ended"
            (draining,) = (x for x in daemon.lines if x["message"] == "draining")
            assert draining["signal"] == "SIGTERM"

    run(test, seconds=30)


def test_a_second_signal_waits_for_nobody() -> None:
    async def test() -> None:
        async with supervised("slow", "steady") as daemon:
            await daemon.logged("started")
            daemon.tell(signal.SIGINT)
            await daemon.logged("told to drain")
            daemon.tell(signal.SIGTERM)

            assert await daemon.ended() == 0
            assert CRASHED not in {line["message"] for line in daemon.lines}

    run(test, seconds=30)


def test_signals_to_the_whole_group_are_told_once() -> None:
    """As a terminal and systemd send them: each worker hears the parent alone."""

    async def test() -> None:
        async with supervised("steady", "steady") as daemon:
            workers = await pids(daemon, 2)
            await daemon.logged("started")
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                for pid in workers.values():
                    os.kill(pid, number)
            daemon.tell(signal.SIGHUP)
            await daemon.logged("reloaded")
            daemon.tell(signal.SIGTERM)

            assert await daemon.ended() == 0
            assert [x["message"] for x in daemon.lines].count("news") == 2

    run(test, seconds=30)


def test_whoever_does_not_end_is_made_to() -> None:
    async def test() -> None:
        async with supervised("deaf", "steady") as daemon:
            await daemon.logged("started")
            daemon.tell(signal.SIGTERM)
            await daemon.logged("drained")
            daemon.tell(signal.SIGTERM)

            assert await daemon.ended() == 0
            (killed,) = (x for x in daemon.lines if x["message"] == "a worker crashed")
            assert (killed["worker"], killed["cause"]) == (1, "SIGKILL")

    run(test, seconds=30)


def test_news_reach_all_and_those_that_come_later() -> None:
    async def test() -> None:
        async with supervised("steady", "steady") as daemon:
            await daemon.logged("started")
            daemon.tell(signal.SIGHUP)
            await daemon.logged("reloaded")

            said = [
                line["worker"] for line in daemon.lines if line["message"] == "news"
            ]
            assert sorted(map(str, said)) == ["1", "2"]
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0

    run(test, seconds=30)


def test_a_killed_worker_is_followed_by_another() -> None:
    async def test() -> None:
        async with supervised("steady", "steady") as daemon:
            workers = await pids(daemon, 2)
            await daemon.logged("started")
            os.kill(workers[2], signal.SIGKILL)
            crash = await daemon.logged(CRASHED)
            follower = await pids(daemon, 1)

            assert (crash["worker"], crash["cause"]) == (2, "SIGKILL")
            assert crash["pid"] == workers[2]
            assert set(follower) == {2}
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0
            said = [line["message"] for line in daemon.lines]
            assert said.count(CRASHED) == 1
            assert said.count("drained") == 2

    run(test, seconds=30)


@pytest.mark.parametrize("job", ["failing", "hurt"])
def test_who_crashes_again_and_again_does_so_less_and_less_often(job: str) -> None:
    async def test() -> None:
        async with supervised("steady", job) as daemon:
            crashes = [await daemon.logged(CRASHED) for _ in range(4)]

            assert [crash["after_seconds"] for crash in crashes] == [0.1, 0.2, 0.4, 0.8]
            times = [float(str(crash["time"])) for crash in crashes]
            assert times[-1] - times[0] >= 0.7
            daemon.tell(signal.SIGTERM)
            assert await daemon.ended() == 0
            assert "started" in {line["message"] for line in daemon.lines}

    run(test, seconds=30)


def test_a_failure_is_told_by_its_kind_and_place() -> None:
    async def test() -> None:
        async with supervised("steady", "failing") as daemon:
            crash = await daemon.logged(CRASHED)

            assert str(crash["cause"]).startswith("RuntimeError at scripted.py:")
            assert "business" not in str(daemon.lines)

    run(test, seconds=30)


def test_a_failure_that_is_understood_is_told_in_its_own_words() -> None:
    async def test() -> None:
        async with supervised("steady", "unable") as daemon:
            assert (await daemon.logged(CRASHED))["cause"] == "there is no work"

    run(test, seconds=30)


def test_where_all_fail_at_once_there_is_nothing_to_keep_up() -> None:
    async def test() -> None:
        async with supervised("failing", "failing") as daemon:
            assert await daemon.ended() == 0
            assert daemon.lines[-1]["message"] == "none started"

    run(test, seconds=30)


def test_nobody_who_hangs_keeps_the_others_without_a_parent() -> None:
    async def test() -> None:
        async with supervised("steady", "deaf") as daemon:
            hanging = (await pids(daemon, 2))[2]
            await daemon.logged("started")
            daemon.tell(signal.SIGKILL)
            await daemon.logged("without a parent")

            os.kill(hanging, signal.SIGKILL)
            await daemon.ended()

    run(test, seconds=30)


def test_without_their_parent_workers_end() -> None:
    async def test() -> None:
        async with supervised("steady", "steady", "steady") as daemon:
            workers = await pids(daemon, 3)
            await daemon.logged("started")
            os.kill(workers[1], signal.SIGKILL)  # and one that was forked last
            await daemon.logged(CRASHED)
            workers |= await pids(daemon, 1)
            daemon.tell(signal.SIGKILL)
            # Standard error ends when the last process that has it does.
            async with asyncio.timeout(5):
                await daemon.ended()

            alone = [x for x in daemon.lines if x["message"] == "without a parent"]
            assert {x["pid"] for x in alone} == set(workers.values())

    run(test, seconds=30)
