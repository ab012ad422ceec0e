from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import FakeBreakers, FakeQuotas, FakeTransport, Gate, Script
from tests.relay.rig import ANYBODY, model
from tproxy.core import failures
from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.leases import Lease
from tproxy.core.model import Model, Patience
from tproxy.core.upstream import UpstreamReply, UpstreamRequest, Usage
from tproxy.core.windows import MINUTE, Window
from tproxy.relay.attempt import Asking, Ports
from tproxy.relay.cost import Purse
from tproxy.relay.trail import Trail

MODEL = model("a")
REQUEST = UpstreamRequest("POST", MODEL.upstream.url, (), b"")


class Bench:
    """An attempt and the ports it settles with."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.quotas, self.breakers = FakeQuotas(self.gate), FakeBreakers(self.gate)
        self.trail = Trail()

    async def asking(self, asked: Model = MODEL) -> Asking:
        lease = await self.quotas.reserve(asked.budgets)
        assert isinstance(lease, Lease)
        return Asking(
            asked,
            Purse.of(asked, ANYBODY),
            lease,
            Ports(self.quotas, self.breakers, LoopClock()),
            self.trail,
        )


@pytest.mark.parametrize(
    ("row", "sent", "hurried", "begun", "counted", "told"),
    [
        (None, True, False, False, True, "excused"),
        (None, False, False, False, False, "excused"),
        (failures.SERVER, True, False, False, True, "server"),
        (failures.SERVER, False, False, False, False, "server"),
        (failures.AUTH, True, False, False, False, "auth"),
        (failures.AUTH, True, False, True, True, "auth"),
        (failures.RATE_LIMIT, True, False, False, False, "rate_limit"),
        (failures.TIMED_OUT, True, True, False, True, "excused"),
    ],
)
def test_what_an_end_means(
    row: Failure | None,
    sent: bool,
    hurried: bool,
    begun: bool,
    counted: bool,
    told: str,
) -> None:
    bench = Bench()

    async def test() -> None:
        asking = await bench.asking()
        asking.begin()
        asking.sent, asking.hurried = sent, hurried
        if row is not None:
            asking.failure = UpstreamFailed.of("a", row, "a detail")
            if begun:
                asking.break_off(asking.failure, Usage(1, 2))
        await asyncio.sleep(1.5)
        await asking.end()

    in_no_time(test())
    assert (len(bench.quotas.settled), len(bench.quotas.released)) == (
        counted,
        not counted,
    )
    assert bench.breakers.told == [("a", "asked"), ("a", told)]
    [attempt] = bench.trail.attempts
    assert attempt.outcome == ("left" if row is None else row.name)
    assert attempt.detail == ("" if row is None else "a detail")
    assert attempt.seconds == 1.5
    assert (attempt.model, attempt.provider) == ("a", "account-of-a")
    assert bench.trail.broken == (row.told.code if row and begun else None)


def test_a_whole_answer_is_a_success() -> None:
    bench = Bench()

    async def test() -> None:
        asking = await bench.asking()
        asking.begin()
        asking.sent = True
        asking.finish(Usage(1, 2))
        await asking.end()

    in_no_time(test())
    assert bench.quotas.settled == ["quota of a"]
    assert bench.breakers.told == [("a", "asked"), ("a", "succeeded")]
    assert bench.trail.usage == Usage(1, 2)


def test_each_is_settled_with_what_it_used_itself() -> None:
    """Also where another of the same request has answered meanwhile."""
    bench = Bench()
    tokens = Limit(Unit.TOKENS, 10_000, Window(MINUTE))
    metered = attrs.evolve(MODEL, budgets=(Budget("a", (tokens,)),))

    async def test() -> None:
        askings = [await bench.asking(metered) for _ in range(2)]
        for number, asking in enumerate(askings):
            asking.begin()
            asking.sent = True
            asking.finish(Usage(10, number))
        for asking in askings:
            await asking.end()

    in_no_time(test())
    assert bench.quotas.costs == [Cost(1, 10), Cost(1, 11)]


def test_what_fails_to_close_is_settled_all_the_same() -> None:
    bench = Bench()

    @asynccontextmanager
    async def stubborn() -> AsyncIterator[UpstreamReply]:
        transport = FakeTransport({"a": [Script()]})
        async with transport.open(REQUEST, MODEL.upstream, Patience()) as reply:
            yield reply
        raise OSError

    async def test() -> None:
        asking = await bench.asking()
        asking.begin()
        reply = await asking.opened(stubborn())
        asking.hear(reply.head)
        with pytest.raises(OSError):  # noqa: PT011 - any
            await asking.end()

    in_no_time(test())
    assert bench.quotas.settled == ["quota of a"]
    assert bench.breakers.told == [("a", "asked"), ("a", "excused")]


def test_an_exchange_is_closed_whatever_comes_after_its_head() -> None:
    closed: list[bool] = []

    @asynccontextmanager
    async def open_until_left() -> AsyncIterator[UpstreamReply]:
        transport = FakeTransport({"a": [Script()]})
        async with transport.open(REQUEST, MODEL.upstream, Patience()) as reply:
            yield reply
        closed.append(True)

    class Failing(FakeQuotas):
        def reached(self, lease: Lease) -> None:
            raise KeyError

    async def test() -> None:
        asking = await bench.asking()
        asking.begin()
        await asking.opened(open_until_left())
        with pytest.raises(KeyError):
            asking.reached()
        await asking.end()

    bench = Bench()
    bench.quotas = Failing(bench.gate)
    in_no_time(test())
    assert closed


@pytest.mark.parametrize("sent", [True, False])
def test_what_was_never_sent_is_not_counted_whoever_left(sent: bool) -> None:
    bench = Bench()

    class Opening:
        """An exchange that waits for its connection, or for its answer."""

        def __init__(self) -> None:
            self.sent = sent

        async def __aenter__(self) -> UpstreamReply:
            await asyncio.sleep(60)
            raise AssertionError("nobody waits so long")

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it was never entered")

    async def test() -> None:
        asking = await bench.asking()
        asking.begin()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asking.opened(Opening())
        await asking.end()

    in_no_time(test())
    assert len(bench.quotas.settled) == sent
    assert len(bench.quotas.released) == (not sent)
