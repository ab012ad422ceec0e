"""Several processes at one board as time goes by: what they ask it, and a provider."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.clocks import FakeClock, LoopClock, in_no_time
from tests.state.boards import POLICY, FakeBoard
from tests.state.shops import Notices
from tproxy.core import failures
from tproxy.core.breaker import State
from tproxy.state.board import Link
from tproxy.state.memory import MemoryStarts
from tproxy.state.shared import SharedBreakers, SharedStarts


def test_news_are_heard_within_a_beat_and_told_at_once() -> None:
    async def test() -> None:
        clock = LoopClock()
        board = FakeBoard(clock)
        both = [
            SharedBreakers(clock, POLICY, lambda: 0.5, link=Link(board, Notices()))
            for _ in range(2)
        ]
        tasks = [asyncio.create_task(each.keep()) for each in both]
        await asyncio.sleep(10.5)
        assert len(board.calls) == 2 * 11  # once a second
        both[0].failed("m", failures.AUTH)
        await asyncio.sleep(1.1)
        assert await both[1].resting(["m"]) == [pytest.approx(8.9, abs=0.05)]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    in_no_time(test())


def test_a_healthy_model_costs_the_board_nothing() -> None:
    board = FakeBoard(FakeClock())
    breakers = SharedBreakers(board.clock, link=Link(board, Notices()))

    async def test() -> None:
        for _ in range(100):
            assert await breakers.resting(["m"]) == [0.0]
            breakers.asked("m")
            breakers.succeeded("m")
        breakers.failed("m", failures.SERVER)
        assert await breakers.resting(["m"]) == [0.0]
        await breakers.meet()

    asyncio.run(test())
    assert board.calls == ["notes"]


def test_whoever_began_last_asks_no_board_whether_it_may_begin_again() -> None:
    async def test() -> None:
        clock = FakeClock()
        board = FakeBoard(clock)
        one, other = (
            SharedStarts(Link(board, Notices()), MemoryStarts(clock)) for _ in range(2)
        )
        assert await one.take("s", 60.0) == 0.0
        clock.advance(15.0)
        assert await one.take("s", 60.0) == await other.take("s", 60.0) == 45.0
        assert board.calls == ["take"] * 2
        # What another began, it may have given back since.
        await one.give_back("s")
        assert await other.take("s", 60.0) == 0.0
        assert await one.take("s", 60.0) == 60.0

    asyncio.run(test())


class Flapping:
    """Processes that ask one provider, which is down and up for five seconds each.

    `probes` are the moments at which it was asked while its breaker was not closed.
    """

    def __init__(self, processes: int) -> None:
        self.clock = LoopClock()
        board, chance = FakeBoard(self.clock), random.Random(7).random
        self.processes = [
            SharedBreakers(self.clock, chance=chance, link=Link(board, Notices()))
            for _ in range(processes)
        ]
        self.probes: list[float] = []

    async def ask(self, breakers: SharedBreakers) -> None:
        while True:
            await asyncio.sleep(0.2)
            if (await breakers.resting(["m"]))[0]:
                continue
            [state] = await breakers.states(["m"])
            if state.state is not State.CLOSED:
                self.probes.append(self.clock.steady())
            breakers.asked("m")
            await asyncio.sleep(0.01)
            if self.clock.steady() % 10.0 < 5.0:
                breakers.failed("m", failures.SERVER)
            else:
                breakers.succeeded("m")

    async def run(self, seconds: float) -> None:
        tasks = [
            asyncio.create_task(work)
            for each in self.processes
            for work in (each.keep(), self.ask(each))
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def test_a_provider_that_flaps_is_probed_twice_a_rest_at_most() -> None:
    flapping = Flapping(processes=4)
    in_no_time(flapping.run(600.0))

    rests = [[0.0]]
    for probe in flapping.probes:
        if probe - rests[-1][-1] > 7.0:
            rests.append([])
        rests[-1].append(probe)
    assert len(rests) > 5
    assert max(map(len, rests)) <= 2, rests
