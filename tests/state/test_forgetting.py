"""Redis has forgotten all, or a key; each node tells what it knows, and holds."""

from __future__ import annotations

from tests.state.mortal import WHOSE, fill, held, node, run
from tests.state.servers import Server
from tests.state.shops import budget, requests, tokens
from tproxy.core.budget import Cost
from tproxy.core.leases import Denial, Lease
from tproxy.core.windows import HOUR

NARROW = budget(requests(50, HOUR), max_concurrent=6)


def test_what_is_under_way_still_is_when_redis_was_flushed(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            leases = await held(quotas, NARROW, most=4)
            mortal.say("FLUSHALL")
            assert len(await held(quotas, NARROW)) == 2

            for lease in leases:
                await quotas.settle(lease)
            [state] = await quotas.snapshot([NARROW])
            assert (state.under_way, state.limits[0].left) == (2, 44)
            assert notices.said == []

    run(test())


def test_what_others_have_under_way_is_kept_free_until_they_say_so(
    mortal: Server,
) -> None:
    async def test() -> None:
        async with node(mortal.url, "a") as (one, _), node(mortal.url, "b") as (two, _):
            theirs = await held(one, NARROW, most=3)
            mine = await held(two, NARROW, most=2)
            mortal.say("FLUSHALL")
            assert len(await held(two, NARROW)) == 1

            await one.extend(theirs)
            assert isinstance(await one.reserve([NARROW]), Denial)
            for lease in (*theirs, *mine):
                await (one if lease in theirs else two).release(lease)
            [state] = await two.snapshot([NARROW])
            assert state.under_way == 1
            assert len(await held(one, NARROW)) == 5

    run(test())


def test_windows_count_on_as_whoever_knows_most_remembers(mortal: Server) -> None:
    """Who has heard less tells first; what is told twice counts once."""

    async def test() -> None:
        async with node(mortal.url, "a") as (one, _), node(mortal.url, "b") as (two, _):
            assert await fill(one, most=10) == 10
            await two.snapshot([WHOSE])
            assert await fill(one, most=5) == 5
            mortal.say("FLUSHALL")
            assert await fill(two, most=4) == 4
            await one.extend([])
            await two.extend([])

            [state] = await one.snapshot([WHOSE])
            assert state.limits[0].left == 40 - 15 - 4

    run(test())


def test_tokens_under_way_are_settled_though_redis_was_flushed(mortal: Server) -> None:
    whose = budget(tokens(1_000, HOUR))

    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            leases = [await quotas.reserve([whose], Cost(1, 300)) for _ in range(3)]
            mortal.say("FLUSHALL")
            for lease, used in zip(leases, (100, 200, 350), strict=True):
                assert isinstance(lease, Lease)
                await quotas.settle(lease, Cost(1, used))
            [state] = await quotas.snapshot([whose])
            assert state.limits[0].left == 1_000 - 650

    run(test())


def test_a_heartbeat_enters_again_what_one_key_has_lost(mortal: Server) -> None:
    """As a replica does that takes over, and was behind."""

    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            leases = await held(quotas, NARROW, most=4)
            mortal.say("DEL", "{tproxy}:4:budget:b")
            await quotas.extend(leases)
            assert len(await held(quotas, NARROW)) == 2
            [state] = await quotas.snapshot([NARROW])
            assert (state.under_way, state.limits[0].used) == (6, 6)
            assert notices.said == []

    run(test())


def test_what_one_key_has_lost_counts_when_it_ends(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            leases = await held(quotas, NARROW, most=4)
            mortal.say("DEL", "{tproxy}:4:budget:b")
            await quotas.extend(leases)
            for lease in leases:
                await quotas.settle(lease)
                await quotas.settle(lease)
            [state] = await quotas.snapshot([NARROW])
            assert (state.under_way, state.limits[0].used) == (0, 4)

    run(test())


def test_any_number_of_budgets_is_remembered(mortal: Server) -> None:
    many = [budget(requests(3, HOUR), name=f"b{n}") for n in range(1_500)]

    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            for first in range(0, len(many), 50):
                portion = many[first : first + 50]
                lease = await quotas.reserve(portion)
                assert isinstance(lease, Lease)
                await quotas.settle(lease)
            mortal.say("FLUSHALL")
            await quotas.extend([])
            for each in (many[0], many[-1]):
                assert len(await held(quotas, each)) == 2

    run(test())
