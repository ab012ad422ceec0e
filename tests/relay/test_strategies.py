"""Who of several is asked, by each strategy, and what the client is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from tests.clocks import in_no_time
from tests.fakes import Act
from tests.relay.rig import ANYBODY, ONCE, Rig, Seen, fails, good, model, request
from tproxy.core.model import Model, Price, Routing
from tproxy.core.strategy import By
from tproxy.relay.trail import Trail


def rig(by: By, *models: Model, failing: str = "", **changes: Any) -> Rig:
    """Whose models all answer, but those that are failing."""
    acts: Mapping[str, Act] = {
        each.name: fails(500) if each.name in failing else good("Hello", stream=False)
        for each in models
    }
    routing = attrs.evolve(changes.pop("routing", Routing()), by=by)
    return Rig(acts, routing=routing, models=models, retry=ONCE, **changes)


def priced(name: str, price: float | None, **changes: Any) -> Model:
    known = None if price is None else Price(price, price, price)
    return attrs.evolve(model(name, **changes), price=known)


def reason(seen: Seen) -> str:
    assert seen.answer is not None, seen.error
    return seen.answer.reason


def test_the_cheapest_is_asked_first_and_then_the_next() -> None:
    models = map(priced, "abcd", (2.0, 1.0, None, 3.0))
    made = rig(By.COST, *models, failing="b")

    seen = made.ask()

    assert made.asked == ["b", "a"]
    assert reason(seen) == "category SMALL; cost about $0.0010; b server"


def test_whose_price_is_not_known_is_asked_last() -> None:
    made = rig(By.COST, priced("a", None), priced("b", 9_000.0), failing="b")

    seen = made.ask()

    assert made.asked == ["b", "a"]
    assert reason(seen) == "category SMALL; cost not known; b server"


def test_who_has_lately_answered_at_length_is_dearer() -> None:
    made = rig(By.COST, priced("a", 1.0), priced("b", 1.1))
    made.answers._lately = {"a": 2_000.0, "b": 1_000.0}

    made.ask()

    assert made.asked == ["b"]


def test_equals_are_asked_by_priority_and_then_in_turn() -> None:
    late = priced("a", 0.0, priority=2)
    made = rig(By.COST, late, priced("b", 0.0), priced("c", 0.0))
    relay = made.relay

    async def test() -> None:
        for _ in range(4):
            await (await relay.answer(request(), ANYBODY, Trail())).end()

    in_no_time(test())

    assert made.asked == ["b", "c", "b", "c"]


def test_who_has_the_most_left_is_asked() -> None:
    made = rig(By.HEADROOM, *map(model, "abc"))
    made.quotas.parts = {"quota of a": 0.5, "quota of b": 0.684, "quota of c": 0.1}

    seen = made.ask()

    assert made.asked == ["b"]
    assert reason(seen) == "category SMALL; headroom 68%"


def test_the_heaviest_is_asked_by_the_same_chance() -> None:
    models = (attrs.evolve(model(n), weight=w) for n, w in (("a", 1.0), ("b", 2.5)))
    made = rig(By.WEIGHTED, *models)

    seen = made.ask()

    assert made.asked == ["b"]
    assert reason(seen) == "category SMALL; weight 2.5"


@pytest.mark.parametrize("by", [by for by in By if by is not By.PRIORITY])
def test_who_cannot_be_asked_is_passed_over_whatever_it_would_cost(by: By) -> None:
    spent, resting = priced("a", 0.0), priced("b", 0.0)
    dear = attrs.evolve(priced("c", 9.0, priority=9), weight=1e-6)
    made = rig(by, spent, resting, dear)
    made.quotas.free_in["quota of a"] = 9.0
    made.breakers.rests["b"] = 9.0
    made.quotas.parts["quota of c"] = 0.01

    seen = made.ask()

    assert made.asked == ["c"]
    passed_over = "; a quota spent; b resting after failures"
    assert reason(seen).endswith(passed_over)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (By.PRIORITY, ""),
        (By.COST, "; cost about $0.00051"),
        (By.LATENCY, "; latency not known"),
        (By.HEADROOM, "; headroom 100%"),
        (By.WEIGHTED, "; weight 9"),
    ],
)
def test_fallbacks_are_chosen_among_after_the_model_that_was_named(
    by: By, words: str
) -> None:
    named, dear = priced("a", 9.0, priority=9), priced("b", 9.0, priority=8)
    cheap = attrs.evolve(priced("c", 1.0), weight=9.0)
    routing = Routing(fallbacks={"a": ("b", "c")})
    made = rig(by, named, dear, cheap, failing="a", routing=routing)

    seen = made.ask("a")

    assert made.asked == ["a", "c"]
    assert reason(seen) == f"fallback after name{words}; a server"


@pytest.mark.parametrize("by", By)
def test_where_there_is_no_choice_nothing_is_said_of_it(by: By) -> None:
    routing = Routing(fallbacks={"b": ("a",)})
    only = attrs.evolve(priced("c", 1.0), category="BIG")
    made = rig(by, priced("a", 1.0), priced("b", 1.0), only, routing=routing)

    assert reason(made.ask("a")) == "name"
    assert reason(made.ask("b")) == "name"
    assert reason(made.ask("BIG")) == "category BIG; priority 1"
