from __future__ import annotations

import asyncio
import uuid

import attrs
import pytest

from tests.auth.desk import (
    ANY_SCOPE,
    LATE,
    LIFE,
    REQUEST,
    SECRET,
    UPSTREAM,
    Desk,
    grants,
    refuses,
    run,
    tokens,
)
from tests.values import model
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import ClientCredentials, Patience, Reach, Tls, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamRequest


def test_a_request_gets_a_token_and_nothing_else() -> None:
    async def test() -> None:
        desk = Desk()
        reach = Reach(proxy="http://user:password@proxy.test")

        signed = await desk.sign(attrs.evolve(UPSTREAM, reach=reach))

        assert signed.headers == (*REQUEST.headers, ("Authorization", "Bearer t0"))
        kept = ("method", "url", "body", "dropped", "ours")
        assert [getattr(signed, name) for name in kept] == [
            getattr(REQUEST, name) for name in kept
        ]
        assert "t0" not in repr(signed)
        for secret in ("t0", SECRET, "password"):
            assert secret not in repr(desk.signer)

    run(test())


def test_it_is_asked_for_with_a_new_id_each_time_and_in_good_time() -> None:
    async def test() -> None:
        desk = Desk()
        patience = Patience(connect=1, first_byte=2, silence=3, whole=400)
        upstream = attrs.evolve(UPSTREAM, patience=patience)

        await desk.sign(upstream)
        await asyncio.sleep(LIFE)
        await desk.sign(upstream)

        ids = [dict(asked.headers)["RqUID"] for asked in desk.transport.requests]
        assert ids == [str(uuid.UUID(int=1)), str(uuid.UUID(int=2))]
        assert desk.transport.patience == [Patience(1, 2, 3, 3)] * 2

    run(test())


def test_a_token_is_kept_until_a_minute_before_its_end() -> None:
    async def test() -> None:
        desk = Desk()

        assert await desk.token() == "Bearer t0"
        await asyncio.sleep(LATE - 1)
        assert await desk.token() == "Bearer t0"
        await asyncio.sleep(1)
        assert await desk.token() == "Bearer t1"
        assert desk.asked == 2

    run(test())


def test_a_token_that_is_dead_on_arrival_is_not_asked_for_again_and_again() -> None:
    async def test() -> None:
        desk = Desk([grants("dead", -5)])

        for _ in range(10):
            assert await desk.token() == "Bearer dead"
            await asyncio.sleep(5)
        assert desk.asked == 1

    run(test())


def test_all_who_need_a_token_wait_for_the_same_one() -> None:
    async def test() -> None:
        desk = Desk()

        got = await asyncio.gather(*(desk.token() for _ in range(20)))

        assert set(got) == {"Bearer t0"}
        assert desk.asked == 1

    run(test())


@pytest.mark.parametrize("leaving", [[0], [1], [0, 1], [2]])
def test_who_leaves_harms_nobody_who_waits(leaving: list[int]) -> None:
    async def test() -> None:
        desk = Desk()
        waiting = [asyncio.ensure_future(desk.token()) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        for number in leaving:
            waiting[number].cancel()
        got = await asyncio.gather(*waiting, return_exceptions=True)

        for number, one in enumerate(got):
            if number in leaving:
                assert isinstance(one, asyncio.CancelledError)
            else:
                assert one == "Bearer t0"
        assert desk.asked == 1

    run(test())


def test_a_renewal_that_everybody_left_serves_the_next() -> None:
    async def test() -> None:
        desk = Desk()
        waiting = asyncio.ensure_future(desk.token())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await desk.token() == "Bearer t0"
        assert desk.asked == 1

    run(test())


def test_all_who_wait_are_told_why_there_is_none_each_by_itself() -> None:
    async def test() -> None:
        desk = Desk([refuses(401), *tokens()])

        got = await asyncio.gather(
            *(desk.sign() for _ in range(3)), return_exceptions=True
        )

        failed = [one for one in got if isinstance(one, UpstreamFailed)]
        assert [one.failure for one in failed] == [failures.AUTH] * 3
        assert len({id(one) for one in failed}) == 3
        assert desk.asked == 1
        assert await desk.token() == "Bearer t0"

    run(test())


def test_where_no_scope_is_named_each_is_tried_and_the_right_one_kept() -> None:
    async def test() -> None:
        desk = Desk([refuses(401, 7), grants("t0"), grants("t1", 2 * LIFE)])

        assert await desk.token(ANY_SCOPE) == "Bearer t0"
        await asyncio.sleep(LIFE)
        assert await desk.token(ANY_SCOPE) == "Bearer t1"
        assert desk.scopes == [
            "scope=GIGACHAT_API_PERS",
            "scope=GIGACHAT_API_B2B",
            "scope=GIGACHAT_API_B2B",
        ]

    run(test())


@pytest.mark.parametrize(
    ("upstream", "code", "asked"),
    [(ANY_SCOPE, 7, 3), (ANY_SCOPE, 6, 1), (UPSTREAM, 7, 1)],
)
def test_no_scope_is_tried_in_vain(upstream: Upstream, code: int, asked: int) -> None:
    async def test() -> None:
        desk = Desk([refuses(401, code)])

        assert (await desk.failure(upstream)).failure is failures.AUTH
        assert desk.asked == asked

    run(test())


@pytest.mark.parametrize(
    "other",
    [
        attrs.evolve(UPSTREAM, token=Secret("another:secret")),
        attrs.evolve(UPSTREAM, auth=ClientCredentials("https://auth.test/2", "SCOPE")),
        attrs.evolve(UPSTREAM, auth=ClientCredentials("https://auth.test/oauth", "X")),
        attrs.evolve(UPSTREAM, tls=Tls(ca_file="ca.pem")),
        attrs.evolve(UPSTREAM, reach=Reach(proxy="http://proxy.test")),
    ],
)
def test_credentials_and_ways_share_no_token(other: Upstream) -> None:
    async def test() -> None:
        desk = Desk()

        assert await desk.token() == "Bearer t0"
        assert await desk.token(other) == "Bearer t1"
        assert await desk.token() == "Bearer t0"

    run(test())


def test_models_of_one_account_share_theirs() -> None:
    async def test() -> None:
        desk = Desk()
        other = attrs.evolve(UPSTREAM, url="https://b.test", dialect="b")

        assert await desk.token() == await desk.token(other)

    run(test())


def test_tokens_that_nobody_needs_any_more_are_let_go() -> None:
    async def test() -> None:
        desk = Desk()
        for number in range(20):
            await desk.sign(attrs.evolve(UPSTREAM, token=Secret(f"{number}:s")))
            await asyncio.sleep(LIFE)

        assert len(desk.signer._accounts) <= 2

    run(test())


def test_what_was_not_signed_here_was_not_refused_here() -> None:
    assert not Desk().signer.refused(REQUEST, UPSTREAM)


@pytest.mark.parametrize(
    ("request_", "upstream"),
    [
        (attrs.evolve(REQUEST, ours=False), UPSTREAM),
        (REQUEST, attrs.evolve(UPSTREAM, token=Secret(""))),
        (REQUEST, model().upstream),
    ],
)
def test_what_takes_no_token_is_left_as_it_is(
    request_: UpstreamRequest, upstream: Upstream
) -> None:
    async def test() -> None:
        desk = Desk()

        assert await desk.signer.sign(request_, upstream) is request_
        assert desk.asked == 0

    run(test())
