"""A lease that goes on as two, each ended by itself, in every kind of store."""

from __future__ import annotations

import asyncio

import pytest

from tests.state.mortal import AWAY, BACK, fill, node, run, until
from tests.state.parting import split
from tests.state.servers import Server
from tests.state.shops import Till, budget, requests, tokens
from tproxy.core.budget import Cost, Outcome
from tproxy.core.leases import CONCURRENCY, LEASE_SECONDS, Denial, Lease
from tproxy.core.windows import HOUR

THEIRS = budget(requests(2), tokens(100), name="theirs")
OURS = budget(requests(2, HOUR), tokens(90, HOUR), name="ours", max_concurrent=1)


def test_each_part_takes_and_gives_back_for_itself(till: Till) -> None:
    part, rest = split(till, till.take(THEIRS, OURS, cost=Cost(1, 30)), "ours")
    assert (part.budgets, rest.budgets) == ((OURS,), (THEIRS,))

    till.settle(rest, outcome=Outcome.ERROR)

    [counted, spent] = till.state(THEIRS).limits
    assert (counted.used, spent.used) == (1, 30)
    assert till.state(THEIRS).under_way == 0
    assert till.state(OURS).under_way == 1
    assert till.denied(OURS).limit == CONCURRENCY

    till.settle(part, Cost(1, 7))

    assert till.state(OURS).under_way == 0
    assert [limit.used for limit in till.state(OURS).limits] == [1, 7]
    assert [limit.used for limit in till.state(THEIRS).limits] == [1, 30]


@pytest.mark.parametrize("reached", [False, True])
def test_a_part_can_be_given_back(till: Till, reached: bool) -> None:
    lease = till.take(THEIRS, OURS, cost=Cost(1, 30))
    if reached:
        till.store.reached(lease)
    part, rest = split(till, lease, "ours")

    till.release(part)
    till.settle(rest)

    assert [limit.used for limit in till.state(OURS).limits] == [0, 0]
    assert [limit.used for limit in till.state(THEIRS).limits] == [1, 30]
    assert till.fill(OURS) == 2


def test_a_part_lasts_as_long_as_it_is_extended(till: Till) -> None:
    part, rest = split(till, till.take(THEIRS, OURS), "ours")
    till.settle(rest)
    for _ in range(4):
        till.shop.clock.advance(LEASE_SECONDS / 2)
        till.extend(part)
    assert till.denied(OURS).limit == CONCURRENCY

    till.shop.clock.advance(LEASE_SECONDS)

    assert till.state(OURS).under_way == 0
    assert till.state(OURS).limits[0].used == 1  # by whoever was killed with it


def test_parts_are_known_to_other_nodes(till: Till) -> None:
    other = Till(till.shop)
    part, rest = split(till, till.take(THEIRS, OURS), "ours")
    till.release(rest)

    assert other.denied(OURS).limit == CONCURRENCY
    assert other.fill(THEIRS) == 2

    till.release(part)

    assert other.fill(OURS) == 2


@pytest.mark.parametrize("taken", ["before", "meanwhile"])
def test_parts_are_told_to_a_redis_that_is_back(mortal: Server, taken: str) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            lease = await quotas.reserve((THEIRS, OURS))
            assert isinstance(lease, Lease)
            with mortal.hung():
                await fill(quotas, most=4)
                await until(lambda: AWAY in notices.said)
                if taken == "meanwhile":
                    await quotas.release(lease)
                    lease = await quotas.reserve((THEIRS, OURS))
                    assert isinstance(lease, Lease)
                part, rest = lease.split({"ours"})
                quotas.split(part, rest)
                await quotas.release(rest)
                denial = await quotas.reserve((OURS,))
                assert isinstance(denial, Denial)
            await until(lambda: BACK in notices.said)
            await asyncio.sleep(0.1)
            theirs, ours = await quotas.snapshot((THEIRS, OURS))
            assert (theirs.under_way, ours.under_way) == (0, 1)
            await quotas.settle(part)
            theirs, ours = await quotas.snapshot((THEIRS, OURS))
            assert (theirs.limits[0].used, ours.limits[0].used) == (0, 1)
            assert ours.under_way == 0

    run(test())
