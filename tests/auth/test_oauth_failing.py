from __future__ import annotations

import asyncio

import pytest

from tests.auth.desk import LATE, LIFE, UPSTREAM, Desk, grants, refuses, run
from tests.fakes import Act, Script, Silence
from tproxy.core import failures
from tproxy.core.upstream import Broken


@pytest.mark.parametrize(
    ("act", "row", "detail"),
    [
        (refuses(400, 5), failures.AUTH, "token: 400 code 5"),
        (refuses(500), failures.SERVER, "token: 500 code 6"),
        (Script([b"<html>"], 502), failures.SERVER, "token: 502"),
        (Script([b"{}"]), failures.MALFORMED, "token: none in the answer"),
        (Script([b"x" * 40_000] * 2), failures.MALFORMED, "token: an endless answer"),
        (
            Broken(failures.UNREACHABLE, "refused"),
            failures.UNREACHABLE,
            "token: refused",
        ),
        (
            Script([b"{", Broken(failures.LOST, "gone")]),
            failures.LOST,
            "token: gone",
        ),
        (Silence(), failures.TIMED_OUT, "token: not whole in time"),
        (Script([Silence()]), failures.TIMED_OUT, "token: not whole in time"),
    ],
)
def test_failures_are_typed_and_name_no_secret(
    act: Act, row: failures.Failure, detail: str
) -> None:
    async def test() -> None:
        failed = await Desk([act]).failure()

        assert (failed.failure, failed.detail) == (row, detail)
        assert failed.message == f"no token: {row.said}."
        assert failed.model == ""

    run(test())


def test_a_server_that_limits_us_says_for_how_long() -> None:
    async def test() -> None:
        desk = Desk([Script([b""], 429, {"retry-after": "2"})])

        assert (await desk.failure()).retry_after == 2.0

    run(test())


def test_while_the_old_token_lives_a_failed_renewal_is_no_failure() -> None:
    async def test() -> None:
        desk = Desk([grants("t0"), refuses(500), grants("t1", 2 * LIFE)])
        await desk.sign()
        await asyncio.sleep(LATE)

        assert await desk.token() == "Bearer t0"
        await asyncio.sleep(9)
        assert await desk.token() == "Bearer t0"
        assert desk.asked == 2
        await asyncio.sleep(1)
        assert await desk.token() == "Bearer t1"

    run(test())


def test_once_it_is_dead_it_is_one() -> None:
    async def test() -> None:
        desk = Desk([grants("t0"), refuses(500)])
        await desk.sign()
        await asyncio.sleep(LIFE)

        assert (await desk.failure()).failure is failures.SERVER

    run(test())


def test_a_token_that_died_early_is_worth_another_try() -> None:
    async def test() -> None:
        desk = Desk()
        await desk.sign()
        signed = await desk.sign()

        assert desk.signer.refused(signed, UPSTREAM)
        assert await desk.token() == "Bearer t1"

    run(test())


def test_a_token_that_was_made_for_this_request_is_not() -> None:
    async def test() -> None:
        desk = Desk()
        signed = await asyncio.gather(desk.sign(), desk.sign())

        assert not any(desk.signer.refused(one, UPSTREAM) for one in signed)
        assert await desk.token() == "Bearer t1"

    run(test())


def test_of_many_that_are_refused_at_once_each_may_try_the_next_token() -> None:
    async def test() -> None:
        desk = Desk()
        await desk.sign()
        first, second, third = [await desk.sign() for _ in range(3)]

        assert desk.signer.refused(first, UPSTREAM)
        assert desk.signer.refused(second, UPSTREAM)
        assert await desk.token() == "Bearer t1"
        assert desk.signer.refused(third, UPSTREAM)
        assert await desk.token() == "Bearer t1"
        assert desk.asked == 2

    run(test())


def test_a_server_that_refuses_all_tokens_ends_the_tries() -> None:
    async def test() -> None:
        desk = Desk()
        await desk.sign()

        tries = 1
        while desk.signer.refused(await desk.sign(), UPSTREAM):
            tries += 1

        assert tries == 2

    run(test())
