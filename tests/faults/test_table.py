"""Each fault of the table, over real sockets: what follows from it."""

from __future__ import annotations

import pytest

from tests.clocks import FakeClock
from tests.e2e.stage import at, staged
from tests.faults import consequences
from tests.faults.consequences import Rests
from tests.faults.fault import Fault, failing
from tests.faults.laboratory import (
    ASKING,
    TWICE,
    discreet,
    envelope,
    good,
    logged,
    patience,
    sharing_ten,
    wait,
)
from tests.faults.table import FAULTS, faults, streamed
from tests.faults.upstream import scripted
from tests.serving import run
from tproxy.core import failures
from tproxy.core.failures import Failure


def test_each_kind_of_failure_has_a_fault() -> None:
    kinds = {r.name for r in vars(failures).values() if isinstance(r, Failure)}
    shown = {kind.outcome for fault in FAULTS for kind in fault.kinds}

    assert kinds - consequences.ELSEWHERE == set(consequences.ALL) == shown


@streamed
@faults
def test_a_named_model_fails(fault: Fault, stream: bool) -> None:
    kind = fault.kinds[stream]
    times = 2 if kind.again and kind.rests is not Rests.QUOTA else 1

    async def test() -> None:
        async with (
            failing(fault, stream) as (url, upstream),
            staged(
                at(url, "p/a", patience=patience(kind, fault.hangs(stream))),
                retry=TWICE,
            ) as stage,
        ):
            reply = await stage.ask(model="p/a", stream=stream, **ASKING)

            error = envelope(reply)
            assert (reply.status, error["code"]) == (kind.status, kind.code)
            assert (error["type"], error["param"]) == (kind.type, None)
            assert str(error["message"]).startswith("p/a: ")
            assert reply.headers["x-tproxy-attempts"] == str(times)
            rest = pytest.approx(fault.rest, abs=0.5) if kind.status == 429 else None
            assert wait(reply) == rest
            await logged(stage, *[kind.outcome] * times)
            if fault.is_reached:
                assert len(upstream.asked) == times
            if fault.hangs(stream):
                await upstream.left_alone()

    run(test)


@streamed
@faults
def test_a_category_has_a_second(fault: Fault, stream: bool) -> None:
    """And what the first worked on counts, and what it refused does not."""
    kind = fault.kinds[stream]

    async def test() -> None:
        async with (
            failing(fault, stream) as (url, _),
            scripted(good(stream)) as second,
            staged(
                *sharing_ten(
                    at(url, "p/a", 1, patience(kind, fault.hangs(stream))),
                    at(second.url, "q/b", 2),
                )
            ) as stage,
        ):
            reply = await stage.ask(stream=stream, **ASKING)

            if kind.onward:
                await logged(stage, kind.outcome, "answered")
                assert reply.headers["x-tproxy-model"] == "q/b"
                assert reply.headers["x-tproxy-attempts"] == "2"
            else:
                await logged(stage, kind.outcome)
                assert envelope(reply)["code"] == kind.code
                assert reply.status == kind.status
                assert second.asked == []
                reply = await stage.ask(model="q/b", stream=stream)
            assert reply.status == 200
            assert reply.body.count(b"Hello") == 1
            assert len(second.asked) == 1
            left = int(reply.headers["x-ratelimit-remaining-requests"])
            assert left == 10 - kind.counts - 1
            discreet(stage)

    run(test)


@streamed
@faults
def test_a_candidate_rests(fault: Fault, stream: bool) -> None:
    """Or not. Then it is asked again, as soon as its rest is over."""
    clock = FakeClock()
    kind = fault.kinds[stream]

    async def test() -> None:
        async with (
            failing(fault, stream) as (url, _),
            scripted(good(stream)) as second,
            staged(
                at(url, "p/a", 1, patience(kind, fault.hangs(stream))),
                at(second.url, "q/b", 2),
                clock=clock,
            ) as stage,
        ):

            async def asked() -> bool:
                await stage.ask(stream=stream, **ASKING)
                return stage.recorder.requests[-1].attempts[0].model == "p/a"

            times = {Rests.NEVER: 6, Rests.AFTER_FIVE: 5}.get(kind.rests, 1)
            for _ in range(times):
                assert await asked(), "it rests too early"
            if kind.rests is Rests.NEVER:
                return
            assert not await asked(), "it does not rest"
            clock.advance(fault.rest - 0.01)
            assert not await asked(), "it does not rest long enough"
            clock.advance(0.02)
            assert await asked(), "it rests too long"
            discreet(stage)

    run(test)
