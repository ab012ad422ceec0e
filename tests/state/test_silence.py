"""A request waits for one call to a Redis that is silent, whatever it has to ask, and
however many do; by a clock that goes on only while all wait.
"""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.state.shops import Notices, budget, requests
from tproxy.core.leases import Lease
from tproxy.core.windows import HOUR
from tproxy.state.board import Link
from tproxy.state.board_redis import RedisBoard
from tproxy.state.memory import MemoryStarts
from tproxy.state.patience import Silence
from tproxy.state.redis import RedisQuotas
from tproxy.state.remote import Remote
from tproxy.state.script import Script
from tproxy.state.shared import SharedStarts
from tproxy.state.standin import OnLoss

CALL = 0.05  # seconds
MOST = pytest.approx(CALL)
WHOSE = budget(requests(1_000, HOUR), max_concurrent=50)


@attrs.frozen(eq=False)
class MuteScript(Script):
    async def _run(self, *said: object) -> Any:
        await asyncio.Event().wait()


@attrs.define(eq=False)
class MuteBoard(RedisBoard):
    async def _run(self, *said: str) -> Any:
        await asyncio.Event().wait()


@attrs.frozen(eq=False)
class Node:
    quotas: RedisQuotas
    starts: SharedStarts

    async def serve(self) -> float:
        """What a request asks, one after another; the seconds that it takes."""
        begun = LoopClock().steady()
        await self.starts.take("throttle", 1.0)
        lease = await self.quotas.reserve([WHOSE])
        if isinstance(lease, Lease):
            self.quotas.reached(lease)
            await self.quotas.settle(lease)
        else:
            await self.starts.give_back("throttle")
        await self.quotas.rest(WHOSE, 1.0)
        await self.quotas.learn(WHOSE, [])
        return LoopClock().steady() - begun


def node(on_loss: OnLoss) -> Node:
    clock, silence, notices = LoopClock(), Silence(), Notices()
    real = Script.at("unix:///nobody", "a")
    remote = Remote(MuteScript(real._redis, "a", CALL), clock, silence=silence)
    board = RedisBoard.at("unix:///nobody")
    mute = MuteBoard(board._redis, silence=silence)
    return Node(
        RedisQuotas(remote, clock, notices, "a", on_loss),
        SharedStarts(Link(mute, notices), MemoryStarts(clock)),
    )


@pytest.mark.parametrize("on_loss", OnLoss)
def test_a_request_waits_once_for_a_redis_that_is_silent(on_loss: OnLoss) -> None:
    async def test() -> None:
        one = node(on_loss)
        assert await one.serve() == MOST
        assert await one.serve() == 0
        await one.quotas.close()

    in_no_time(test())


@pytest.mark.parametrize("on_loss", OnLoss)
def test_nor_does_any_of_many_wait_longer(on_loss: OnLoss) -> None:
    async def test() -> None:
        one = node(on_loss)

        async def serve(number: int) -> float:
            await asyncio.sleep(number * 0.001)
            return await one.serve()

        took = await asyncio.gather(*map(serve, range(300)))
        assert max(took) == MOST
        await one.quotas.close()

    in_no_time(test())


@pytest.mark.parametrize("on_loss", OnLoss)
def test_what_has_waited_before_does_not_wait_again_when_it_ends(
    on_loss: OnLoss,
) -> None:
    async def test() -> None:
        one = node(on_loss)
        began = LoopClock().steady()
        many = (one.quotas.reserve([WHOSE]) for _ in range(40))
        leases = await asyncio.gather(*many)
        for lease in leases:
            if isinstance(lease, Lease):
                await one.quotas.release(lease)
        assert LoopClock().steady() - began == MOST
        await one.quotas.close()

    in_no_time(test())
