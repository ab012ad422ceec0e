"""Where a provider counts more than we, every store warns of it, and once."""

from __future__ import annotations

import pytest

from tests.clocks import FakeClock
from tests.state.shops import MemoryShop, Shop, Till, budget, requests, tokens
from tproxy.core.budget import Limit, Unit
from tproxy.core.events import Event, Notice
from tproxy.core.leases import Heard
from tproxy.core.windows import MINUTE, Window
from tproxy.state.drift import Drifts
from tproxy.state.memory_quotas import MemoryQuotas

WHOSE = budget(requests(100), tokens(100_000), name="pool/p")
PROBLEM = "a provider counts more than we do"


class Told(list[Notice]):
    def emit(self, event: Event) -> None:
        assert isinstance(event, Notice)
        self.append(event)


def left(till: Till, *requests_left: int) -> None:
    for amount in requests_left:
        till.learn(WHOSE, Heard(Unit.REQUESTS, Window(MINUTE), amount, 50.0))


def test_it_is_told_which_limit_and_how_many_more() -> None:
    told, shop = Told(), MemoryShop(FakeClock())
    till = Till(shop)
    till.store = MemoryQuotas(shop.clock, Drifts(told))
    till.use(WHOSE)

    left(till, 60)

    [notice] = told
    said = {"budget": "pool/p", "limit": "requests per minute", "more": 39, "of": 100}
    assert (notice.level, notice.message, notice.fields) == ("warning", PROBLEM, said)
    shop.close()


@pytest.mark.parametrize(
    ("lefts", "times"),
    [
        ((90,), 0),
        ((89,), 1),
        ((60, 50, 0, 85), 1),
        ((60, 94, 60), 1),
        ((60, 95, 60), 2),
        ((60, 100, 60), 2),
    ],
)
def test_it_is_told_again_only_after_it_had_gone(
    shop: Shop, lefts: tuple[int, ...], times: int
) -> None:
    till = Till(shop)

    left(till, *lefts)

    assert shop.notices == [PROBLEM] * times


def drifts(*, drift: int, limit: Limit) -> int:
    told = Told()
    Drifts(told).look(budget(limit), [(limit, drift)])
    return len(told)


@pytest.mark.parametrize(
    ("limit", "quiet", "loud"),
    [
        (requests(15), 5, 6),
        (requests(1_000), 100, 101),
        (tokens(6_000), 2_000, 2_001),
        (requests(15), -15, 15),  # that it counts less means nothing
    ],
)
def test_a_little_is_not_told(limit: Limit, quiet: int, loud: int) -> None:
    assert drifts(drift=quiet, limit=limit) == 0
    assert drifts(drift=loud, limit=limit) == 1
