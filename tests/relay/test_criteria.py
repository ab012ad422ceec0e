"""Figures to compare candidates by, and what is said of them."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.fakes import FakeQuotas
from tests.values import chat, model
from tproxy.core.budget import ONE, Budget
from tproxy.core.model import Model, Price
from tproxy.core.pace import Paces
from tproxy.core.selection import Candidate
from tproxy.core.strategy import By
from tproxy.relay.criteria import (
    ByCost,
    ByHeadroom,
    ByLatency,
    ByWeight,
    Criterion,
    Prospect,
    criterion,
)
from tproxy.selection.strategies import LeastFigure, strategy

ASKED = chat()


def figures(
    by: Criterion, *models: Model, prompt: int = 0, answer: int = 0
) -> list[float]:
    prospects = [Prospect(each, prompt, answer, ONE) for each in models]
    return list(asyncio.run(_figures(by, prospects)))


async def _figures(by: Criterion, prospects: list[Prospect]) -> list[float]:
    return list(await by.figures(prospects, stream=False))


def ranked(by: By, known: Criterion, *models: Model) -> list[str]:
    candidates = map(Candidate, models)
    known_by = figures(known, *models, prompt=1_000, answer=1_000)
    each = map(Candidate.figured, candidates, known_by)
    return [c.model.name for c in strategy(by).rank(ASKED, list(each))]


@pytest.mark.parametrize(
    ("price", "prompt", "answer", "said"),
    [
        (Price(1.0, 1.0, 2.0), 100, 200, "cost about $0.00050"),
        (Price(0.59, 0.3, 0.79), 250, 345, "cost about $0.00042"),
        (Price(1.0, 1.0, 0.0), 0, 200, "cost $0"),
        (Price(0.0, 0.0, 0.0), 9_000, 9_000, "cost $0"),
        (Price(15.0, 1.0, 75.0), 100_000, 20_000, "cost about $3.00"),
        (Price(0.01, 0.0, 0.01), 1, 0, "cost about $0.000000010"),
        (None, 100, 200, "cost not known"),
    ],
)
def test_cost_is_that_of_the_prompt_and_of_the_answer_expected(
    price: Price | None, prompt: int, answer: int, said: str
) -> None:
    priced = model(price=price)

    [figure] = figures(ByCost(), priced, prompt=prompt, answer=answer)

    assert ByCost().said(priced, figure) == said


def test_the_free_come_first_and_those_without_a_price_last() -> None:
    dear = model("dear", price=Price(9e6, 9e6, 9e6))
    free = model("free", price=Price(0.0, 0.0, 0.0), priority=9)

    assert ranked(By.COST, ByCost(), model("unknown"), dear, free) == [
        "free",
        "dear",
        "unknown",
    ]


def test_what_is_cheap_depends_on_the_request() -> None:
    reads = model("reads", price=Price(0.1, 0.1, 10.0))
    writes = model("writes", price=Price(1.0, 1.0, 1.0))

    long_prompt = figures(ByCost(), reads, writes, prompt=100_000, answer=10)
    long_answer = figures(ByCost(), reads, writes, prompt=10, answer=10_000)

    assert long_prompt[0] < long_prompt[1]
    assert long_answer[0] > long_answer[1]


def test_latency_is_what_it_has_lately_been() -> None:
    clock, paces = FakeClock(), Paces()
    by, slow, quick = ByLatency(paces, clock), model("slow"), model("quick")
    for each, seconds in ((slow, 2.0), (quick, 0.4217)):
        by.began(each, clock.steady() - seconds, stream=False)

    both = figures(by, slow, quick)

    assert [by.said(slow, figure) for figure in both] == [
        "latency about 2 s",
        "latency about 0.422 s",
    ]
    assert by.said(slow, math.inf) == by.said(slow, -math.inf) == "latency not known"


def test_headroom_is_what_would_be_left() -> None:
    quotas = FakeQuotas(parts={"scarce": 0.125, "ample": 0.68})
    by = ByHeadroom(quotas)
    scarce, ample, free = (
        model(name, budgets=(Budget(name),)) for name in ("scarce", "ample", "free")
    )

    assert ranked(By.HEADROOM, by, scarce, ample, free) == ["free", "ample", "scarce"]
    said = [by.said(scarce, figure) for figure in figures(by, scarce, ample, free)]
    assert said == ["headroom 12%", "headroom 68%", "headroom 100%"]


def test_chance_is_in_proportion_to_weight() -> None:
    by = ByWeight(random.Random(4711).random)
    models = [model(name, weight=weight) for name, weight in (("a", 1), ("b", 3))]
    models.append(model("c", weight=4.0))

    lots = iter(figures(by, *models * 4_000))
    orders = Counter(
        tuple(c.model.name for c in LeastFigure().rank(ASKED, drawn))
        for drawn in (
            [Candidate(m, figure=next(lots)) for m in models] for _ in range(4_000)
        )
    )
    first: Counter[str] = Counter()
    for order, times in orders.items():
        first[order[0]] += times
    assert [first[name] / 4_000 for name in "abc"] == pytest.approx(
        [1 / 8, 3 / 8, 4 / 8], abs=0.03
    )
    # Of the rest, again: after c comes b three times as often as a.
    assert orders["c", "b", "a"] / first["c"] == pytest.approx(3 / 4, abs=0.03)
    assert by.said(models[1], 0.5) == "weight 3"


MODELS = st.lists(
    st.builds(
        lambda priority, weight, price: model(
            "m", priority=priority, weight=weight, price=price
        ),
        st.integers(1, 3),
        st.floats(1e-6, 1e6),
        st.none() | st.builds(Price, *[st.floats(0, 1e3)] * 3),
    ),
    max_size=6,
)


@given(st.sampled_from(By), MODELS, st.integers(0, 10**6), st.randoms())
def test_all_are_ranked_and_alike_by_the_same_chances(
    by: By, models: list[Model], tokens: int, lots: random.Random
) -> None:
    chances = [lots.random() for _ in models]

    def order() -> list[Candidate]:
        left: Callable[[], float] = iter(chances).__next__
        known = criterion(by, FakeQuotas(), Paces(), FakeClock(), left)
        candidates = list(map(Candidate, models))
        if known is not None:
            each = figures(known, *models, prompt=tokens, answer=tokens)
            assert not any(map(math.isnan, each))
            candidates = list(map(Candidate.figured, candidates, each))
        return list(strategy(by).rank(ASKED, candidates))

    assert order() == order()
    assert sorted(id(c.model) for c in order()) == sorted(map(id, models))
