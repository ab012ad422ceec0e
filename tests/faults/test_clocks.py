"""The wall clock jumps an hour under way: nobody is banned, and nobody forgotten."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests import dialect
from tests.clocks import FakeClock
from tests.dialect import error
from tests.e2e.stage import at, said, staged
from tests.faults.laboratory import ASKING, discreet, good, wait
from tests.faults.script import JSON, chunked, whole
from tests.faults.upstream import scripted
from tests.serving import run
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.windows import DAY, MINUTE, Kind, Window

HOUR = 3_600.0
LIMITED = whole(error("slow down"), 429, {**JSON, "Retry-After": "20"})

jumps = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])


@jumps
def test_a_limit_rests_as_long_as_it_was_to(jump: float) -> None:
    clock = FakeClock()

    async def test() -> None:
        async with (
            scripted(LIMITED, good(False)) as upstream,
            staged(at(upstream.url, "p/a"), clock=clock) as stage,
        ):
            await stage.ask(model="p/a", **ASKING)
            clock.epoch += jump
            clock.advance(19.0)
            early = await stage.ask(model="p/a", **ASKING)
            clock.advance(1.01)
            late = await stage.ask(model="p/a", **ASKING)

            assert (early.status, late.status) == (429, 200)
            assert wait(early) == pytest.approx(1.0, abs=0.0011)
            discreet(stage)

    run(test)


@jumps
def test_so_does_a_breaker(jump: float) -> None:
    clock = FakeClock()

    async def test() -> None:
        async with (
            scripted(*[whole(b"", 500)] * 5, good(False)) as upstream,
            scripted(good(False)) as second,
            staged(
                at(upstream.url, "p/a", 1), at(second.url, "q/b", 2), clock=clock
            ) as stage,
        ):
            for _ in range(5):
                await stage.ask(**ASKING)
            clock.epoch += jump
            served = []
            for seconds in (9.9, 0.11):
                clock.advance(seconds)
                reply = await stage.ask(**ASKING)
                served.append(reply.headers["x-tproxy-model"])

            assert served == ["q/b", "p/a"]

    run(test)


@jumps
@pytest.mark.parametrize("kind", list(Kind), ids=lambda kind: kind.value)
def test_a_quota_lasts_no_longer_than_its_window(kind: Kind, jump: float) -> None:
    """And lets no more through than it would have."""
    clock = FakeClock()
    seconds = DAY if kind is Kind.CALENDAR else MINUTE
    limit = Limit(Unit.REQUESTS, 2, attrs.evolve(Window(seconds), kind=kind))

    async def test() -> None:
        async with scripted(good(False)) as upstream:
            model = attrs.evolve(
                at(upstream.url, "p/a"), budgets=(Budget("p", (limit,)),)
            )
            async with staged(model, clock=clock) as stage:
                for _ in range(2):
                    assert (await stage.ask(model="p/a")).status == 200
                clock.epoch += jump
                refused = await stage.ask(model="p/a")
                rest = wait(refused)
                assert refused.status == 429
                assert rest is not None
                assert rest <= seconds if kind.fixed else rest == seconds
                clock.advance(rest)
                assert (await stage.ask(model="p/a")).status == 200

    run(test)


@jumps
def test_a_stream_goes_on(jump: float) -> None:
    clock, seen = FakeClock(), asyncio.Event()
    begun, *rest = dialect.stream("Once", " upon")[1:]

    async def test() -> None:
        async with (
            scripted(chunked([begun, seen, *rest])) as upstream,
            staged(at(upstream.url, "p/a"), clock=clock) as stage,
            stage.calling(said(stream=True)) as call,
        ):
            await call.until(b"Once")
            clock.epoch += jump
            seen.set()

            assert (await call.rest()).body == b"".join([begun, *rest])

    run(test)
