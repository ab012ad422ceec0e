"""Who gets the last of a quota: clients of high priority have a share of it."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.clocks import in_no_time
from tests.relay.rig import ANYBODY, Rig, Seen, model, request, tells
from tests.values import per
from tproxy.core.budget import ONE, ONE_HIGH, Budget, Cost, Unit
from tproxy.core.model import Client, Model, Price, Priority, Routing
from tproxy.core.windows import MINUTE
from tproxy.relay.cost import Purse
from tproxy.state.memory_quotas import MemoryQuotas

FIRST = Client("first", (), priority=Priority.HIGH)


def shared(name: str) -> Model:
    quota = Budget(f"quota of {name}", (per(MINUTE, 10),), share=0.7)
    return attrs.evolve(model(name), budgets=(quota,))


def rig(*names: str, wait_seconds: float = 0.0) -> Rig:
    made = Rig(
        {name: [tells("Hello")] * 50 for name in names},
        models=tuple(map(shared, names)),
        routing=Routing(wait_seconds=wait_seconds),
    )
    made.real_quotas = MemoryQuotas(made.clock)
    return made


async def answered(rig: Rig, client: Client, called: str, times: int) -> int:
    seen = [await rig.asking(request(called), client) for _ in range(times)]
    return sum(each.error is None for each in seen)


@pytest.mark.parametrize(
    ("called", "names"), [("a", "a"), ("SMALL", "a"), ("SMALL", "ab")]
)
def test_what_was_asked_for_in_vain_is_kept_once_it_is_free(
    called: str, names: str
) -> None:
    """Also of a category, whose spent models are not asked but looked at."""
    made, all_of_it = rig(*names), 10 * len(names)

    async def test() -> None:
        assert await answered(made, ANYBODY, called, all_of_it) == all_of_it
        assert await answered(made, FIRST, called, 9) == 0
        await asyncio.sleep(60.0)
        assert await answered(made, ANYBODY, called, all_of_it) < all_of_it
        assert await answered(made, FIRST, called, all_of_it) >= 7

    in_no_time(test())


def test_who_is_kept_out_by_a_share_is_told_until_when() -> None:
    made = rig("a", "b")

    async def test() -> None:
        assert await answered(made, FIRST, "SMALL", 20) == 20
        await asyncio.sleep(60.0)
        assert await answered(made, ANYBODY, "SMALL", 6) == 6
        seen: Seen = await made.asking(request("SMALL"))
        assert seen.told == (429, "quota_exhausted")
        assert seen.retry_after == pytest.approx(60.0)

    in_no_time(test())


def test_who_waits_waits_for_its_own_part() -> None:
    made = rig("a", wait_seconds=100.0)

    async def test() -> None:
        assert await answered(made, FIRST, "a", 10) == 10
        await asyncio.sleep(60.0)
        assert await answered(made, ANYBODY, "a", 3) == 3
        waiting = asyncio.create_task(made.asking(request("a")))
        await asyncio.sleep(1.0)
        assert await answered(made, FIRST, "a", 7) == 7
        assert not waiting.done()
        assert (await waiting).error is None

    in_no_time(test())


def test_a_purse_says_whose_it_is() -> None:
    free = Purse.of(shared("a"), ANYBODY)
    first = Purse.of(shared("a"), FIRST)

    assert (free.cost(9, 9), first.cost(9, 9)) == (ONE, ONE_HIGH)
    assert first.cost(9, 9, requests=2) == Cost(2, high=True)


def test_what_it_cost_in_the_end_is_its_classes() -> None:
    tokens = attrs.evolve(per(MINUTE, 99), unit=Unit.TOKENS)
    counted = attrs.evolve(
        shared("a"),
        budgets=(Budget("q", (tokens,), share=0.7),),
        price=Price(1.0, 1.0, 1.0),
    )

    assert Purse.of(counted, FIRST).cost(4, 5) == Cost(1, 9, high=True)
