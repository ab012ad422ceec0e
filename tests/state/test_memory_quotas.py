from __future__ import annotations

import asyncio

import pytest

from tests.clocks import FakeClock
from tests.state.shops import budget, daily, requests
from tproxy.core.budget import Budget
from tproxy.core.leases import Denial, Lease
from tproxy.state.memory_quotas import MemoryQuotas


def test_of_ten_thousand_interleaved_requests_exactly_the_limit_is_admitted() -> None:
    quotas = MemoryQuotas(FakeClock())
    whose = [budget(requests(1_000), daily(700), name="a"), budget(requests(5_000))]

    async def attempt(number: int) -> bool:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        lease = await quotas.reserve(whose)
        await asyncio.sleep(0)
        if isinstance(lease, Lease) and number % 2:
            await quotas.settle(lease)
        return isinstance(lease, Lease)

    async def test() -> int:
        return sum(await asyncio.gather(*map(attempt, range(10_000))))

    assert asyncio.run(test()) == 700


@pytest.mark.parametrize("whose", [budget(requests(50)), budget(max_concurrent=50)])
def test_what_is_given_back_by_some_is_taken_by_others(whose: Budget) -> None:
    quotas = MemoryQuotas(FakeClock())
    under_way = most = admitted = 0

    async def attempt() -> None:
        nonlocal under_way, most, admitted
        lease = await quotas.reserve([whose])
        if isinstance(lease, Denial):
            return
        admitted += 1
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await quotas.release(lease)

    async def test() -> None:
        for _ in range(20):
            await asyncio.gather(*(attempt() for _ in range(500)))

    asyncio.run(test())
    assert (most, admitted) == (50, 20 * 50)
