"""Redis is full, read-only, locked up, slow, or poisoned.

Requests never wait for it, the declared mode decides meanwhile, and it is found again
without a restart; operators are told once of each change.
"""

from __future__ import annotations

import asyncio
import time

import attrs
import pytest

from tests.state.between import standing_between
from tests.state.mortal import AWAY, BACK, LONGEST, WHOSE, fill, node, run, until
from tests.state.servers import Server
from tproxy.core.leases import STORE, Denial, Lease
from tproxy.state import script
from tproxy.state.standin import OnLoss

SWITCHING = 2.0  # seconds; it is 1.2 where nobody asks
KEY = f"{script._PREFIX}budget:b"
UNLOCKED = 'AUTH secret\r\nCONFIG SET requirepass ""'


@attrs.frozen
class Fault:
    """What is said to the server to break it, and to mend it."""

    name: str
    breaks: tuple[str, ...]
    mends: str


FAULTS = (
    Fault("full", ("CONFIG SET maxmemory 1",), "CONFIG SET maxmemory 0"),
    Fault("a replica", ("REPLICAOF 127.0.0.1 1",), "REPLICAOF NO ONE"),
    Fault(
        "another password",
        ("CONFIG SET requirepass secret", "AUTH secret\r\nCLIENT KILL TYPE normal"),
        UNLOCKED,
    ),
    Fault("another's key", (f"RENAME {KEY} x", f"RPUSH {KEY} x"), f"RENAME x {KEY}"),
    Fault("nonsense", (f"RENAME {KEY} x", f"SET {KEY} x"), f"RENAME x {KEY}"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
@pytest.mark.parametrize(
    ("mode", "meanwhile"), [(OnLoss.STRICT, 0), (OnLoss.SHARE, 30)]
)
def test_what_it_refuses_to_count_is_as_declared_until_it_counts_again(
    mortal: Server, fault: Fault, mode: OnLoss, meanwhile: int
) -> None:
    async def test() -> None:
        async with node(mortal.url, on_loss=mode) as (quotas, notices):
            assert await fill(quotas, most=10) == 10
            for words in fault.breaks:
                assert b"-" not in mortal.say(words)[:1]
            admitted = [
                isinstance(await quotas.reserve([WHOSE]), Lease) for _ in range(40)
            ]
            assert sum(admitted) == meanwhile
            await until(lambda: AWAY in notices.said)

            mortal.say(fault.mends)
            await until(lambda: BACK in notices.said)
            assert notices.said == [AWAY, BACK]
            assert await fill(quotas) == 30 - meanwhile

    run(test())


@pytest.mark.parametrize("password", ["", ":wrong@"])
def test_who_may_not_ask_admits_nothing(mortal: Server, password: str) -> None:
    mortal.say("CONFIG SET requirepass secret")

    async def test() -> None:
        url = mortal.url.replace("unix://", f"unix://{password}")
        async with node(url) as (quotas, notices):
            assert notices.said == [AWAY]
            assert await quotas.reserve([WHOSE]) == Denial("", STORE, 1.0)

    run(test())


@pytest.mark.parametrize(
    "answer",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-BUSY Redis is busy running a script\r\n",
        b"-NOSCRIPT No matching script\r\n",
        b"-MOVED 1 127.0.0.1:1\r\n",
        b"-NOPERM no permissions\r\n",
        b"+OK\r\n",
    ],
)
def test_whatever_it_says_instead_it_is_found_again(
    mortal: Server, answer: bytes
) -> None:
    async def test() -> None:
        async with (
            standing_between(mortal) as between,
            node(between.url) as (quotas, notices),
        ):
            assert await fill(quotas, most=10) == 10
            between.instead = answer
            assert await fill(quotas, most=20) == 20
            await until(lambda: AWAY in notices.said)
            between.instead = b""
            await until(lambda: BACK in notices.said)

            assert await fill(quotas) == 10
            assert notices.said == [AWAY, BACK]

    run(test())


def test_a_redis_that_is_slow_but_answers_in_time_is_no_loss(mortal: Server) -> None:
    async def test() -> None:
        async with (
            standing_between(mortal) as between,
            node(between.url) as (quotas, notices),
        ):
            between.delay = 0.01
            assert await fill(quotas, most=10) == 10
            assert notices.said == []

    run(test())


def test_a_redis_that_is_too_slow_is_away(mortal: Server) -> None:
    async def test() -> None:
        async with (
            standing_between(mortal) as between,
            node(between.url) as (quotas, notices),
        ):
            assert await fill(quotas, most=10) == 10
            between.delay = 0.2
            assert await fill(quotas) == 30
            await until(lambda: AWAY in notices.said)

    run(test())


def test_what_is_under_way_when_redis_is_back_is_not_given_again(
    mortal: Server,
) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            assert await fill(quotas, most=10) == 10
            with mortal.hung():
                under_way = [await quotas.reserve([WHOSE]) for _ in range(20)]
                await until(lambda: AWAY in notices.said)
            await until(lambda: BACK in notices.said)
            assert await fill(quotas) == 10

            for lease in under_way:
                assert isinstance(lease, Lease)
                await quotas.settle(lease)
            [state] = await quotas.snapshot([WHOSE])
            assert state.limits[0].used == 40

    run(test())


def test_one_request_is_enough_to_find_that_redis_is_away(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            with mortal.hung():
                begun = time.monotonic()
                await quotas.reserve([WHOSE])
                assert time.monotonic() - begun < LONGEST
                await until(lambda: AWAY in notices.said)
                assert time.monotonic() - begun < SWITCHING
            await until(lambda: BACK in notices.said)

    run(test())


def test_who_is_busy_himself_does_not_take_redis_for_lost(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            asking = [asyncio.ensure_future(quotas.reserve([WHOSE])) for _ in range(9)]
            for _ in range(3):
                await asyncio.sleep(0)
                time.sleep(0.08)  # noqa: ASYNC251 - which is the point
            results = await asyncio.gather(*asking)
            assert all(isinstance(result, Lease) for result in results)
            assert notices.said == []

    run(test())


@pytest.mark.parametrize("before", [0, 18, 37])
def test_nodes_that_share_what_was_left_hardly_pass_the_limit(
    mortal: Server, before: int
) -> None:
    """Of each, what it has heard of the others with its own last answer is true."""

    async def test() -> None:
        async with (
            node(mortal.url, "a") as (a, _),
            node(mortal.url, "b") as (b, _),
            node(mortal.url, "c") as (c, _),
        ):
            nodes = (a, b, c)
            for each in nodes:
                await each.snapshot([WHOSE])
            taken = 0
            for turn in range(before):
                taken += await fill(nodes[turn % 3], most=1)
            with mortal.hung():
                for each in nodes:
                    taken += await fill(each)
            assert before <= taken <= 40 * 1.1

    run(test())
