"""What another strategy would have made of a log."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest

from tests.serving import client, model, settings
from tests.simulation.records import NOON, fates, line, replayed, tried
from tests.values import per
from tproxy.core import failures
from tproxy.core.model import Model, Price, Routing
from tproxy.core.strategy import By
from tproxy.core.windows import MINUTE


def decided(by: By, log: list[bytes], *models: Model) -> list[str]:
    served = settings(*models, clients=(client(),), routing=Routing(by=by))
    decisions, _ = replayed(log, by=served)
    return fates(decisions)


def at(name: str, *, limit: int = 0, **changes: object) -> Model:
    limits = (per(MINUTE, limit),) if limit else ()
    made = model(name, url=f"http://{name[-1]}.test", limits=limits)
    return attrs.evolve(made, **changes)  # type: ignore[arg-type]


def took(began: float, *attempts: dict[str, Any]) -> bytes:
    """A line of a request that ended with the last of these."""
    seconds = sum(each["seconds"] for each in attempts)
    said = {"seconds": seconds, "time": NOON + began + seconds}
    return line(began, model=attempts[-1]["model"], attempts=attempts, **said)


def test_the_cheapest_answers_as_long_as_it_has_room() -> None:
    dear = at("p/a", price=Price(2.0, 2.0, 2.0))
    cheap = at("p/b", limit=2, price=Price(1.0, 1.0, 1.0), priority=2)

    by_cost = decided(By.COST, [line(n) for n in range(4)], dear, at("p/c"), cheap)

    assert by_cost == ["p/b", "p/b", "p/a", "p/a"]


def test_what_is_cheap_goes_by_the_tokens_of_the_log() -> None:
    reads, writes = Price(1.0, 1.0, 10.0), Price(5.0, 5.0, 5.0)
    models = at("p/a", price=reads), at("p/b", price=writes)
    log = [
        line(0, prompt_tokens=9_000, completion_tokens=10),
        line(1, prompt_tokens=10, completion_tokens=9_000),
    ]

    assert decided(By.COST, log, *models) == ["p/a", "p/b"]


def test_whoever_has_the_most_left_answers() -> None:
    log = [line(n) for n in range(6)]

    fates = decided(By.HEADROOM, log, at("p/a", limit=4), at("p/b", limit=20))

    assert fates == ["p/b"] * 4 + ["p/a", "p/b"]  # 0.8, then 0.75 and 0.75


def test_the_quickest_answers_once_all_have() -> None:
    log = [
        took(0, tried("p/a", seconds=2.0)),
        took(5, tried("p/b", seconds=0.1)),
        *(line(n, model="p/b", attempts=None) for n in range(10, 14)),
    ]

    assert decided(By.LATENCY, log, at("p/a"), at("p/b")) == ["p/a"] + ["p/b"] * 5


def test_who_times_out_is_not_the_quickest_any_more() -> None:
    a_times_out = tried("p/a", failures.TIMED_OUT.name, 30.0)
    log = [
        took(0, tried("p/a", seconds=1.0)),
        took(5, tried("p/b", seconds=3.0)),
        took(10, tried("p/a", seconds=1.0)),
        took(15, a_times_out, tried("p/b", seconds=3.0)),
        line(120, attempts=None),
    ]

    decisions = decided(By.LATENCY, log, at("p/a"), at("p/b"))

    assert decisions == ["p/a", "p/b", "p/a", "p/b", "p/b"]


@pytest.mark.parametrize("outcome", ["outrun", "left"])
def test_who_was_given_up_at_once_is_not_the_quickest(outcome: str) -> None:
    log = [
        took(0, tried("p/a", seconds=2.0)),
        took(5, tried("p/b", seconds=3.0)),
        took(10, tried("p/a", outcome, 0.1)),
        took(15, tried("p/a", seconds=5.0)),
        line(30, attempts=None),
    ]

    decisions = decided(By.LATENCY, log, at("p/a"), at("p/b"))

    assert decisions == ["p/a", "p/b", "p/a", "p/a", "p/b"]


def test_no_crowd_is_sent_to_one_that_is_not_known() -> None:
    log = [line(n / 10, attempts=None) for n in range(4)]  # half a second each

    decisions = decided(By.LATENCY, log, at("p/a"), at("p/b", priority=2))

    assert decisions == ["p/a", "p/b", "p/a", "p/a"]


def test_lots_are_drawn_by_weight_and_each_time_alike() -> None:
    log = [line(n) for n in range(400)]
    models = at("p/a", weight=1.0), at("p/b", weight=3.0)

    drawn = decided(By.WEIGHTED, log, *models)

    assert drawn == decided(By.WEIGHTED, log, *models)
    assert Counter(drawn)["p/b"] == pytest.approx(300, abs=30)
