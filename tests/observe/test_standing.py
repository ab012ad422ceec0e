"""How budgets, breakers and models stand, as series."""

from __future__ import annotations

import attrs

from tests.serving import model
from tproxy.core.breaker import BreakerState, State
from tproxy.core.budget import Limit, Unit
from tproxy.core.leases import BudgetState, LimitState, Source
from tproxy.core.windows import DAY, MINUTE, Kind, Window
from tproxy.observe import standing
from tproxy.observe.standing import Told

REQUESTS = Limit(Unit.REQUESTS, 15, Window(MINUTE), kept=2)
DOLLARS = Limit(Unit.SPEND, 50 * 10**9, Window(DAY, Kind.CALENDAR))


def lines(told: Told) -> dict[str, float]:
    _, samples = told
    assert len({labels for labels, _ in samples}) == len(samples)
    return {labels: number for labels, [number] in samples}


def told(*states: BudgetState) -> dict[str, dict[str, float]]:
    budgets = standing.Budgets()
    budgets.take(states)
    return {
        each[0].name.removeprefix("tproxy_budget_"): lines(each) for each in budgets
    }


def test_each_limit_has_its_figures_in_its_unit() -> None:
    state = BudgetState(
        "pool/p",
        (
            LimitState(REQUESTS, 4, 7, 30.0, Source.HEADER, 2.5, drift=2),
            LimitState(DOLLARS, 10**9, 49 * 10**9, 3600.0, Source.COUNTED, 1.0),
        ),
        under_way=3,
        max_concurrent=4,
        resting_for=1.5,
    )

    minute = 'budget="pool/p",unit="requests",window="minute"'
    day = 'budget="pool/p",unit="usd",window="day"'
    pool = 'budget="pool/p"'
    assert told(state) == {
        "limit": {minute: 13, day: 50},
        "used": {minute: 4, day: 1},
        "left": {minute: 7, day: 49},
        "resets_seconds": {minute: 30, day: 3600},
        "drift": {minute: 2, day: 0},
        "source": {f'{minute},source="header"': 1, f'{day},source="counted"': 1},
        "source_age_seconds": {minute: 2.5, day: 1},
        "leases": {pool: 3},
        "max_leases": {pool: 4},
        "resting_seconds": {pool: 1.5},
    }


def test_a_minute_that_rolls_and_one_by_the_clock_are_two_series() -> None:
    clock = attrs.evolve(REQUESTS, window=Window(MINUTE, Kind.CLOCK))
    limits = tuple(
        LimitState(limit, 0, limit.usable, 0.0, Source.DECLARED, 0.0)
        for limit in (REQUESTS, clock)
    )

    assert len(told(BudgetState("p", limits, 0, None, 0.0))["limit"]) == 2


def test_a_name_is_told_once() -> None:
    twice = (BudgetState("p", (), number, None, 0.0) for number in (1, 2))

    assert told(*twice)["leases"] == {'budget="p"': 1}


def test_a_breaker_is_in_one_state_and_not_in_the_others() -> None:
    models = (model("x/a"), model("x/b"))
    states = (BreakerState(), BreakerState(State.OPEN, 12.0, 5, 1))

    shown, rests = standing.breakers(models, states)

    assert lines(shown) == {
        'model="x/a",provider="x",state="closed"': True,
        'model="x/a",provider="x",state="open"': False,
        'model="x/a",provider="x",state="half-open"': False,
        'model="x/b",provider="x",state="closed"': False,
        'model="x/b",provider="x",state="open"': True,
        'model="x/b",provider="x",state="half-open"': False,
    }
    assert lines(rests) == {
        'model="x/a",provider="x"': 0,
        'model="x/b",provider="x"': 12,
    }


def test_a_model_is_available_unless_something_keeps_it() -> None:
    never = attrs.evolve(model("x/n"), obstacle="it is not served")
    models = (model("x/a"), model("x/b", category=None), model("x/c"), never)
    closed, open_ = BreakerState(), BreakerState(State.OPEN, 1.0)

    available = lines(
        standing.availability(
            models, (0.0, 5.0, 0.0, 0.0), (closed, closed, open_, closed)
        )
    )

    assert [*available.values()] == [True, False, False, False]
    assert [*available][:2] == [
        'model="x/a",provider="x",category="SMALL",kind="chat"',
        'model="x/b",provider="x",category="",kind="chat"',
    ]
