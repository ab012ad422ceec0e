"""The line for quota: how long it may be, and what is told of those in it."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.clocks import in_no_time
from tests.relay.patient import (
    PATIENT,
    UNCOUNTED,
    asking,
    limited,
    rig,
    served,
    tokens,
)
from tests.relay.rig import ANYBODY, ONCE, Rig, Seen, fails
from tests.values import per
from tproxy.core.budget import Limit
from tproxy.core.model import Client, Priority, Routing
from tproxy.core.windows import HOUR, MINUTE
from tproxy.state.memory_quotas import MemoryQuotas

LOW = attrs.evolve(ANYBODY, name="low", priority=Priority.LOW)


def test_who_finds_the_line_full_takes_nothing_from_those_in_it() -> None:
    routing = attrs.evolve(PATIENT, max_waiting=2)
    made = rig(limited("a", per(MINUTE, 2)), routing=routing)

    async def test() -> None:
        # Two are answered; one has its turn, two wait behind it.
        waiting = [asyncio.create_task(served(made)) for _ in range(5)]
        await asyncio.sleep(59.0)
        refused: Seen = await made.asking(asking(called="a"))
        assert refused.told == (429, "quota_exhausted")
        # Two of them next minute, one with it in the one after that.
        assert refused.retry_after == pytest.approx(61.0, abs=0.1)
        await asyncio.gather(*waiting)
        assert made.clock.steady() == pytest.approx(120.0, abs=0.2)

    in_no_time(test())
    assert len(made.asked) == 5


@pytest.mark.parametrize(
    ("limits", "seconds", "wait"),
    [
        ([per(MINUTE, 1)], 90.0, 119.0),  # one of them will have room, at 60
        ([per(1.0, 9), tokens(900)], 30.0, 59.0),  # and here none
    ],
)
def test_those_who_will_have_left_are_not_ahead(
    limits: list[Limit], seconds: float, wait: float
) -> None:
    routing = Routing(wait_seconds=seconds, max_waiting=4)
    made = rig(limited("a", *limits), routing=routing)

    async def test() -> None:
        await served(made)
        waiting = [asyncio.create_task(served(made)) for _ in range(5)]
        await asyncio.sleep(1.0)
        refused: Seen = await made.asking(asking(called="a"))
        assert refused.retry_after == pytest.approx(wait, abs=0.1)
        await asyncio.wait(waiting)
        assert sum(task.exception() is None for task in waiting) == (wait > MINUTE)

    in_no_time(test())


def test_who_was_asked_for_in_vain_returns_to_a_line_that_is_full() -> None:
    acts = {"a": [UNCOUNTED, fails(429, retry_after="5"), *[UNCOUNTED] * 2]}
    models = limited("a", per(MINUTE, 1)), limited("b", per(HOUR, 1), priority=2)
    routing = attrs.evolve(PATIENT, max_waiting=1)
    made = Rig({**acts, "b": UNCOUNTED}, routing, ONCE, models=models)
    made.real_quotas = MemoryQuotas(made.clock)

    async def test() -> None:
        await asyncio.gather(*[served(made, "SMALL") for _ in range(2)])
        first = asyncio.create_task(served(made, "SMALL"))
        await asyncio.sleep(1.0)
        others = [asyncio.create_task(served(made, "SMALL")) for _ in range(3)]
        await asyncio.sleep(59.03)  # the first has just been refused
        others += [asyncio.create_task(served(made, "SMALL")) for _ in range(3)]
        await asyncio.gather(first, *others, return_exceptions=True)
        await first

    in_no_time(test())


def test_those_of_lower_priority_are_not_ahead() -> None:
    routing = attrs.evolve(PATIENT, max_waiting=2)
    made = rig(limited("a", per(MINUTE, 1)), routing=routing)

    async def asked(client: Client) -> Seen:
        return await made.asking(asking(called="a"), client)

    async def test() -> None:
        waiting = [asyncio.create_task(asked(LOW)) for _ in range(4)]
        await asyncio.sleep(1.0)
        assert (await asked(ANYBODY)).retry_after == pytest.approx(119.0, abs=0.1)
        assert (await asked(LOW)).retry_after == pytest.approx(239.0, abs=0.1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    in_no_time(test())
