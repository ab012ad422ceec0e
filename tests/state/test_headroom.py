"""What a request would leave of the tightest limit: in every store."""

from __future__ import annotations

import attrs
import pytest

from tests.state.mortal import WHOSE, fill, node, run
from tests.state.servers import Server
from tests.state.shops import Till, budget, daily, requests, tokens
from tproxy.core.budget import ONE, ONE_HIGH, Budget, Cost, Limit
from tproxy.core.leases import Heard
from tproxy.core.windows import HOUR, MINUTE
from tproxy.state.standin import OnLoss


def headroom(till: Till, *budgets: Budget, cost: Cost = ONE) -> float:
    return till.shop.run(till.store.headroom([(budgets, cost)]))[0]


def test_all_is_left_where_nothing_is_limited(till: Till) -> None:
    assert headroom(till) == 1.0
    assert headroom(till, budget()) == 1.0


@pytest.mark.parametrize(
    ("limits", "cost", "used", "part"),
    [
        ([requests(10)], ONE, 0, 0.9),
        ([requests(10)], ONE, 4, 0.5),
        ([requests(10)], ONE, 9, 0.0),
        ([requests(10)], ONE, 10, 0.0),  # it does not even fit
        ([requests(10), daily(100)], ONE, 4, 0.5),
        ([requests(100), daily(10)], ONE, 4, 0.5),
        ([requests(10), tokens(100)], Cost(1, tokens=90), 0, 0.1),
        ([requests(10), tokens(100)], Cost(1, tokens=900), 0, 0.0),
    ],
)
def test_the_tightest_limit_is_the_one_of_which_the_least_part_is_left(
    till: Till, limits: list[Limit], cost: Cost, used: int, part: float
) -> None:
    for _ in range(used):
        till.use(budget(*limits))

    assert headroom(till, budget(*limits), cost=cost) == pytest.approx(part)


def test_of_several_budgets_too(till: Till) -> None:
    own, account = budget(requests(10)), budget(requests(4), name="account")

    till.use(own, account)

    assert headroom(till, own) == pytest.approx(0.8)
    assert headroom(till, own, account) == pytest.approx(0.5)


def test_what_is_under_way_is_not_there(till: Till) -> None:
    till.take(budget(requests(4)))

    assert headroom(till, budget(requests(4))) == pytest.approx(0.5)


def test_a_window_that_has_passed_is_whole_again(till: Till) -> None:
    both = budget(requests(4), requests(40, HOUR))
    till.use(both)

    till.shop.clock.advance(MINUTE)

    assert headroom(till, both) == pytest.approx(0.75)


def test_what_the_owner_keeps_is_not_there_to_be_left(till: Till) -> None:
    kept = budget(attrs.evolve(requests(10), kept=8))

    assert headroom(till, kept) == pytest.approx(0.5)


def test_a_provider_that_counts_more_is_believed(till: Till) -> None:
    limited = budget(requests(10))
    till.use(limited)

    till.learn(limited, Heard(limited.limits[0].unit, limited.limits[0].window, 3, 9.0))

    assert headroom(till, limited) == pytest.approx(0.2)


def test_each_class_of_clients_has_its_own(till: Till) -> None:
    shared = budget(requests(10), share=0.5)
    till.fill(shared, cost=ONE_HIGH)
    till.shop.clock.advance(MINUTE)

    till.use(shared, cost=ONE_HIGH)

    assert headroom(till, shared, cost=ONE_HIGH) == pytest.approx(0.8)
    assert headroom(till, shared) == pytest.approx(0.4)  # the high have asked for it


@pytest.mark.parametrize(
    ("mode", "part"),
    [(OnLoss.SHARE, 15 / 40), (OnLoss.STRICT, 29 / 40), (OnLoss.OPEN, 29 / 40)],
)
def test_while_redis_is_away_it_is_what_is_left_here_if_anybody_counts(
    mortal: Server, mode: OnLoss, part: float
) -> None:
    async def test() -> None:
        async with node(mortal.url, on_loss=mode) as (quotas, _):
            await fill(quotas, most=10)
            assert await quotas.headroom([([WHOSE], ONE)]) == [pytest.approx(29 / 40)]
            mortal.kill()

            await fill(quotas, most=14)

            assert await quotas.headroom([([WHOSE], ONE)]) == [pytest.approx(part)]

    run(test())
