"""Redis is lost with requests under way, and found again with others under way.

Whoever counts meanwhile, no more are under way at once than may be, nothing that was
counted is lost, and what was reserved and not used is given back.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from tests.state.between import standing_between
from tests.state.mortal import AWAY, BACK, WHOSE, fill, held, node, run, until
from tests.state.servers import Server
from tests.state.shops import budget, requests, tokens
from tproxy.core.budget import Cost
from tproxy.core.leases import CONCURRENCY, Denial, Lease
from tproxy.core.windows import HOUR
from tproxy.state.standin import OnLoss

NARROW = budget(max_concurrent=6)


def test_what_was_under_way_when_redis_was_lost_counts_without_it(
    mortal: Server,
) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            before = await held(quotas, NARROW, most=4)
            with mortal.hung():
                assert len(await held(quotas, NARROW)) == 2
                denial = await quotas.reserve([NARROW])
                assert isinstance(denial, Denial)
                assert denial.limit == CONCURRENCY
                await quotas.settle(before.pop())
                await quotas.release(before.pop())
                assert len(await held(quotas, NARROW)) == 2

    run(test())


def test_what_is_under_way_when_redis_is_back_counts_there(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            before = await held(quotas, NARROW, most=2)
            with mortal.hung():
                later = await held(quotas, NARROW, most=3)
                await until(lambda: AWAY in notices.said)
            await until(lambda: BACK in notices.said)
            assert len(await held(quotas, NARROW)) == 1

            await quotas.settle(before.pop())
            await quotas.release(later.pop())
            assert len(await held(quotas, NARROW)) == 2
            await quotas.extend(later)

    run(test())


@pytest.mark.parametrize("places", [5, 6, 8])
def test_nodes_that_lose_redis_together_pass_no_limit_at_once(
    mortal: Server, places: int
) -> None:
    whose = budget(requests(50, HOUR), max_concurrent=places)

    async def test() -> None:
        async with (
            node(mortal.url, "a") as (a, one),
            node(mortal.url, "b") as (b, two),
        ):
            first = [*await held(a, whose, most=4), *await held(b, whose, most=1)]
            await a.extend(first[:4])
            with mortal.hung():
                later = [*await held(a, whose), *await held(b, whose)]
                assert len(first + later) in (places, places - 1)
                await until(lambda: AWAY in one.said and AWAY in two.said)
            await until(lambda: BACK in one.said and BACK in two.said)

            later += [*await held(a, whose), *await held(b, whose)]
            assert len(first + later) == places

    run(test())


def test_under_open_too_what_is_under_way_is_told_when_redis_is_back(
    mortal: Server,
) -> None:
    async def test() -> None:
        async with node(mortal.url, on_loss=OnLoss.OPEN) as (quotas, notices):
            with mortal.hung():
                assert len(await held(quotas, NARROW, most=9)) == 9
                await until(lambda: AWAY in notices.said)
            await until(lambda: BACK in notices.said)
            [state] = await quotas.snapshot([NARROW])
            assert state.under_way == 9
            assert isinstance(await quotas.reserve([NARROW]), Denial)

    run(test())


def test_what_was_lent_is_settled_to_the_token_when_redis_is_back(
    mortal: Server,
) -> None:
    whose = budget(tokens(1_000, HOUR))

    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            before = await quotas.reserve([whose], Cost(1, 200))
            with mortal.hung():
                lent = [await quotas.reserve([whose], Cost(1, 300)) for _ in range(2)]
                await until(lambda: AWAY in notices.said)
            await until(lambda: BACK in notices.said)
            for lease, used in zip((before, *lent), (50, 450, 10), strict=True):
                assert isinstance(lease, Lease)
                quotas.reached(lease)
                await quotas.settle(lease, Cost(1, used))
            [state] = await quotas.snapshot([whose])
            assert state.limits[0].used == 510

    run(test())


def test_leases_that_ran_out_while_redis_was_away_are_entered_again(
    mortal: Server,
) -> None:
    """By whoever comes back first, those of the others are left alone."""
    whose = budget(requests(50, HOUR), max_concurrent=4)

    async def test() -> None:
        async with (
            node(mortal.url, "a") as (a, one),
            node(mortal.url, "b") as (b, two),
        ):
            mine = [*await held(a, whose, 2, 0.3), *await held(b, whose, 2, 0.3)]
            await a.snapshot([whose])
            with mortal.hung():
                for each in (a, b):
                    assert isinstance(await each.reserve([whose]), Denial)
                await until(lambda: AWAY in one.said and AWAY in two.said)
            await until(lambda: BACK in one.said or BACK in two.said)
            assert isinstance(await a.reserve([whose]), Denial)
            await until(lambda: BACK in one.said and BACK in two.said)
            assert isinstance(await b.reserve([whose]), Denial)

            for quotas, lease in zip((a, a, b, b), mine, strict=True):
                await quotas.settle(lease)
            [state] = await a.snapshot([whose])
            assert (state.limits[0].used, state.under_way) == (4, 0)

    run(test())


@pytest.mark.parametrize("apart", [2, 4])
def test_who_alone_has_lost_redis_gives_away_its_part_and_no_more(
    mortal: Server, apart: int
) -> None:
    """By so much a limit can be passed: the others still have all of it."""
    places = budget(max_concurrent=40, name="places")

    async def test() -> None:
        async with AsyncExitStack() as stack:
            between = await stack.enter_async_context(standing_between(mortal))
            names = [between.url, *[mortal.url] * (apart - 1)]
            nodes = [
                (await stack.enter_async_context(node(url, f"n{number}")))[0]
                for number, url in enumerate(names)
            ]
            assert len(await held(nodes[0], places, most=4)) == 4
            assert await fill(nodes[0], most=4) == 4
            await nodes[0].snapshot([places, WHOSE])
            between.delay = 60.0

            for each, part in ((nodes[1], 36), (nodes[0], 36 // apart)):
                assert len(await held(each, places, most=50)) == part
                assert await fill(each) == part

    run(test())
