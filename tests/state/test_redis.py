"""Redis hangs, dies, forgets, lies; each has a declared end, and soon."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.state.mortal import AWAY, BACK, LONGEST, WHOSE, fill, node, run, until
from tests.state.servers import Server
from tests.state.shops import budget, requests, tokens
from tproxy.core.budget import ONE, Cost, Outcome
from tproxy.core.leases import CONCURRENCY, REST, STORE, Denial, Lease, Source
from tproxy.state.standin import OnLoss


@pytest.mark.parametrize(
    ("mode", "admitted"), [(OnLoss.STRICT, 0), (OnLoss.SHARE, 18), (OnLoss.OPEN, 200)]
)
def test_while_redis_hangs_the_declared_mode_decides(
    mortal: Server, mode: OnLoss, admitted: int
) -> None:
    async def test() -> None:
        async with (
            node(mortal.url, "a", mode) as (one, notices),
            node(mortal.url, "b", mode) as (other, _),
        ):
            assert await fill(one, most=4) == 4
            await other.snapshot([WHOSE])
            with mortal.hung():
                assert await fill(one) == await fill(other) == admitted
                for _ in range(2):
                    await one.reserve([WHOSE])
            assert notices.said == [AWAY]

    run(test())


def _lease(result: Lease | Denial) -> Lease:
    assert isinstance(result, Lease), result
    return result


def test_an_idle_node_knows_what_others_have_left(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url, "a") as (idle, _), node(mortal.url, "b") as other:
            await idle.snapshot([WHOSE])
            assert await fill(other[0], most=30) == 30
            await idle.extend([])
            mortal.kill()
            assert await fill(idle) == await fill(other[0]) == 5

    run(test())


def test_many_requests_at_once_do_not_wait_for_a_redis_that_hangs(
    mortal: Server,
) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            with mortal.hung():
                begun = time.monotonic()
                results = await asyncio.gather(
                    *(quotas.reserve([WHOSE]) for _ in range(500))
                )
                assert time.monotonic() - begun < 2 * LONGEST
            assert sum(isinstance(result, Lease) for result in results) == 40
            assert notices.said == [AWAY]

    run(test())


def test_strict_says_that_nobody_counts(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url, on_loss=OnLoss.STRICT) as (quotas, _):
            mortal.kill()
            assert await quotas.reserve([WHOSE]) == Denial("", STORE, 1.0)

    run(test())


def test_leases_and_rests_go_on_without_redis(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            mortal.kill()
            lease = _lease(await quotas.reserve([WHOSE], lease_seconds=0.0))
            await quotas.extend([lease])
            quotas.reached(lease)
            await quotas.settle(lease, outcome=Outcome.REFUSAL)
            assert await quotas.rest(WHOSE, 7.0) == pytest.approx(7.0, abs=0.1)
            denial = await quotas.reserve([WHOSE])
            assert isinstance(denial, Denial)
            assert denial.limit == REST
            await quotas.learn(WHOSE, [])
            [state] = await quotas.snapshot([WHOSE])
            assert state.limits[0].source is Source.DECLARED

    run(test())


def test_what_cannot_be_divided_is_nobodys(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url, "a") as (quotas, _), node(mortal.url, "b"):
            await quotas.snapshot([WHOSE])
            mortal.kill()
            for whose in (budget(requests(1)), budget(max_concurrent=1)):
                assert isinstance(await quotas.reserve([whose]), Denial)
            shared = budget(requests(9), max_concurrent=2, name="shared")
            assert isinstance(await quotas.reserve([shared]), Lease)
            assert await quotas.reserve([shared]) == Denial("shared", CONCURRENCY, 1.0)

    run(test())


@pytest.mark.parametrize("mode", [OnLoss.STRICT, OnLoss.OPEN])
def test_a_rest_is_as_long_as_was_said_if_nobody_counts(
    mortal: Server, mode: OnLoss
) -> None:
    async def test() -> None:
        async with node(mortal.url, on_loss=mode) as (quotas, _):
            mortal.kill()
            assert await quotas.rest(WHOSE, 7.0) == 7.0
            assert await quotas.rest(WHOSE, None) == 1.0

    run(test())


def test_what_was_used_without_redis_is_told_to_it(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            before = _lease(await quotas.reserve([WHOSE]))
            with mortal.hung():
                assert await fill(quotas, most=10) == 10
                later = _lease(await quotas.reserve([WHOSE]))
                await quotas.release(before)
            await until(lambda: BACK in notices.said)
            await quotas.settle(later)
            assert notices.said == [AWAY, BACK]
            assert await fill(quotas) == 40 - 11

    run(test())


def test_a_redis_that_was_restarted_is_told_what_we_remember(mortal: Server) -> None:
    async def test() -> None:
        async with (
            node(mortal.url, "a") as (one, notices),
            node(mortal.url, "b") as two,
        ):
            assert await fill(one, most=10) == 10
            assert await fill(two[0], most=5) == 5
            mortal.kill()
            assert await fill(one, most=3) == 3
            mortal.start()
            await until(lambda: BACK in notices.said)

            assert await fill(two[0]) + await fill(one) == 40 - 18

    run(test())


def test_a_redis_that_was_flushed_is_told_what_we_remember(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            assert await fill(quotas, most=15) == 15
            mortal.say("FLUSHALL")

            assert await fill(quotas) == 25
            assert notices.said == []

    run(test())


def test_a_redis_that_lost_its_scripts_is_given_them_again(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, notices):
            assert await fill(quotas, most=15) == 15
            mortal.say("SCRIPT", "FLUSH")

            assert await fill(quotas) == 25
            assert notices.said == []

    run(test())


@pytest.mark.parametrize(
    "lie",
    [
        b"*1\r\n*1\r\n$4\r\nseen\r\n",
        b"*1\r\n*2\r\n$5\r\nagain\r\n$1\r\nx\r\n",
        b"*1\r\n*1\r\n$9\r\nforgotten\r\n",
        b"+OK\r\n",
        b"*0\r\n",
        b"$-1\r\n",
        b"-ERR no\r\n",
        b"garbage\r\n",
        b"",
    ],
)
def test_an_answer_that_makes_no_sense_is_a_loss(tmp_path: Path, lie: bytes) -> None:
    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while lie and await reader.read(10_000):
            writer.write(lie)
        writer.close()

    async def test() -> None:
        path = tmp_path / "liar"
        async with (
            await asyncio.start_unix_server(answer, path),
            node(f"unix://{path}") as (quotas, notices),
        ):
            assert notices.said == [AWAY]
            assert await quotas.reserve([WHOSE]) == Denial("", STORE, 1.0)

    run(test())


def test_who_never_met_redis_knows_no_share_of_anything(tmp_path: Path) -> None:
    async def test() -> None:
        async with node(f"unix://{tmp_path}/nobody") as (quotas, notices):
            assert notices.said == [AWAY]
            assert await quotas.reserve([WHOSE]) == Denial("", STORE, 1.0)
            assert await quotas.waits([([WHOSE], ONE)]) == [0.0]

    run(test())


def test_a_request_that_was_cancelled_leaves_nothing_taken(mortal: Server) -> None:
    narrow = budget(max_concurrent=1)

    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            for turns in range(12):
                task = asyncio.ensure_future(quotas.reserve([narrow]))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if task.cancel():
                    await asyncio.wait([task])
                    assert task.cancelled()
                elif isinstance(task.result(), Lease):
                    await quotas.release(_lease(task.result()))
            async with asyncio.timeout(5):
                while (  # noqa: ASYNC110 - nobody tells
                    await quotas.snapshot([narrow])
                )[0].under_way:
                    await asyncio.sleep(0.05)
            await quotas.release(_lease(await quotas.reserve([narrow])))

    run(test())


def test_what_is_settled_is_free_though_the_client_left_meanwhile(
    mortal: Server,
) -> None:
    """Also where the call has to wait for its turn, and was yet to begin."""
    one_place = budget(max_concurrent=1)

    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            lease = _lease(await quotas.reserve([one_place]))
            busy = [asyncio.create_task(quotas.snapshot([WHOSE])) for _ in range(50)]
            await asyncio.sleep(0)
            settling = asyncio.create_task(quotas.settle(lease))
            await asyncio.sleep(0)
            settling.cancel()
            await asyncio.gather(*busy, settling, return_exceptions=True)
            assert settling.cancelled()

            [state] = await quotas.snapshot([one_place])
            assert state.under_way == 0
            assert isinstance(await quotas.reserve([one_place]), Lease)

    run(test())


def test_all_keys_of_a_call_are_in_one_slot_and_expire(mortal: Server) -> None:
    async def test() -> None:
        async with node(mortal.url) as (quotas, _):
            await quotas.reserve([WHOSE, budget(tokens(9), name="x")], Cost(1, 5))

    run(test())
    keys = mortal.say("KEYS", "*").decode().split("\r\n")[2::2]
    assert len(keys) == 4
    assert all(key.startswith("{tproxy}:4:") for key in keys)
    for key in keys:
        if "budget" in key:
            assert mortal.say("TTL", key) > b":0"
