"""A 429 within a 500, from origin's to-do: asked again until something else comes."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.dialect import error
from tests.e2e.stage import at, staged
from tests.faults.laboratory import ASKING, discreet, envelope, good, logged, wait
from tests.faults.refusals import HIDDEN_429
from tests.faults.script import JSON, Script, whole
from tests.faults.table import streamed
from tests.faults.upstream import scripted
from tests.serving import run
from tproxy.core.model import RetryPolicy, Routing

SOON = {**JSON, "retry-after-ms": "1"}
LIMITED = "rate_limit"
THRICE = RetryPolicy(max_retries=3, base_delay=0.001, max_delay=1.0)
OFTEN = RetryPolicy(max_retries=1_000, base_delay=0.001, max_delay=1.0)

spellings = pytest.mark.parametrize(
    "hidden",
    [
        whole(HIDDEN_429, 500, SOON),
        whole(HIDDEN_429, 502, SOON),
        whole(error(HIDDEN_429.decode(), 500), 500, SOON),
        whole(HIDDEN_429.partition(b"body: ")[2], 500, SOON),
        whole(HIDDEN_429.partition(b"body: ")[2], 429, SOON),
    ],
    ids=["as it was", "in a 502", "wrapped twice", "as JSON", "bare"],
)
HIDDEN = whole(HIDDEN_429, 500, SOON)


@streamed
@spellings
def test_it_is_asked_again_until_an_answer_comes(hidden: Script, stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted(hidden, hidden, hidden, good(stream)) as upstream,
            staged(at(upstream.url, "p/a"), retry=THRICE) as stage,
        ):
            reply = await stage.ask(model="p/a", stream=stream, **ASKING)

            assert reply.status == 200
            assert reply.body.count(b"Hello") == 1
            assert reply.headers["x-tproxy-attempts"] == "4"
            await logged(stage, LIMITED, LIMITED, LIMITED, "answered")

    run(test)


@streamed
@pytest.mark.parametrize(
    ("status", "outcome", "code"),
    [
        (401, "auth", "upstream_auth_failed"),
        (400, "rejected", "upstream_rejected"),
        (402, "billing", "upstream_billing"),
        (404, "missing", "upstream_model_missing"),
        (504, "timed_out", "upstream_timeout"),
    ],
)
def test_or_until_another_error_does(
    status: int, outcome: str, code: str, stream: bool
) -> None:
    async def test() -> None:
        async with (
            scripted(HIDDEN, whole(b"", status), good(stream)) as upstream,
            staged(at(upstream.url, "p/a"), retry=THRICE) as stage,
        ):
            reply = await stage.ask(model="p/a", stream=stream, **ASKING)

            assert envelope(reply)["code"] == code
            await logged(stage, LIMITED, outcome)
            assert len(upstream.asked) == 2

    run(test)


@streamed
def test_or_until_it_was_asked_often_enough(stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted(HIDDEN) as upstream,
            staged(at(upstream.url, "p/a"), retry=THRICE) as stage,
        ):
            reply = await stage.ask(model="p/a", stream=stream, **ASKING)

            assert (reply.status, envelope(reply)["code"]) == (
                429,
                "rate_limit_exceeded",
            )
            assert wait(reply) is not None
            await logged(stage, *[LIMITED] * 4)
            assert len(upstream.asked) == 4

    run(test)


@streamed
def test_or_until_the_deadline(stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted(HIDDEN) as upstream,
            staged(
                at(upstream.url, "p/a"),
                retry=OFTEN,
                routing=Routing(deadline_seconds=0.1),
            ) as stage,
        ):
            begun = time.monotonic()
            reply = await stage.ask(model="p/a", stream=stream, **ASKING)

            assert reply.status in (429, 504)  # while it rests, or is being asked
            assert time.monotonic() - begun < 3.0
            assert 1 < len(upstream.asked) < 100
            assert reply.headers["x-tproxy-attempts"] == str(len(upstream.asked))
            discreet(stage)

    run(test)


@streamed
def test_another_model_of_the_category_is_asked_first(stream: bool) -> None:
    async def test() -> None:
        async with (
            scripted(HIDDEN, good(stream)) as upstream,
            scripted(HIDDEN) as second,
            staged(
                at(upstream.url, "p/a", 1), at(second.url, "q/b", 2), retry=THRICE
            ) as stage,
        ):
            reply = await stage.ask(stream=stream, **ASKING)

            told = await stage.recorder.request()
            order = [attempt.model for attempt in told.attempts]
            assert (order, reply.status) == (["p/a", "q/b", "p/a"], 200)

    run(test)


def test_of_many_at_once_a_few_are_repeated() -> None:
    """Three, or a fifth of what is under way; the others are told at once."""
    many = 30
    # Each is a model of its own: the first one's rest would keep the others away.
    names = [f"p/{number}" for number in range(many)]

    async def test() -> None:
        everybody = asyncio.Event()
        async with (
            scripted([everybody, *HIDDEN]) as upstream,
            staged(*[at(upstream.url, name) for name in names], retry=THRICE) as stage,
        ):
            asking = [asyncio.create_task(stage.ask(model=name)) for name in names]
            await upstream.asked_by(many)
            everybody.set()
            replies = await asyncio.gather(*asking)

            assert {reply.status for reply in replies} == {429}
            attempts = [int(reply.headers["x-tproxy-attempts"]) for reply in replies]
            assert sum(attempts) == len(upstream.asked)
            assert 0 < sum(times > 1 for times in attempts) <= 0.2 * many

    run(test)
