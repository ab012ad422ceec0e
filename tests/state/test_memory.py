from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from tests.clocks import FakeClock
from tproxy.core import failures
from tproxy.core.breaker import BreakerPolicy, BreakerState, State
from tproxy.state.memory import MemoryBreakers, MemoryTurns

T = TypeVar("T")


def now(call: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(call)


def test_breakers_are_kept_by_model() -> None:
    clock = FakeClock()
    breakers = MemoryBreakers(clock, BreakerPolicy(threshold=2, jitter=0.0, proofs=1))

    def resting() -> Sequence[float]:
        return now(breakers.resting(["a", "b"]))

    for _ in range(2):
        breakers.asked("a")
        breakers.failed("a", failures.SERVER)
    assert resting() == [10.0, 0.0]
    clock.advance(10.0)
    assert resting() == [0.0, 0.0]
    breakers.asked("a")
    assert resting() == [10.0, 0.0]
    breakers.excused("a")
    assert resting() == [0.0, 0.0]
    breakers.asked("a")
    breakers.failed("a", failures.SERVER)
    assert resting() == [20.0, 0.0]
    clock.advance(20.0)
    breakers.asked("a")
    breakers.succeeded("a")
    assert resting() == [0.0, 0.0]
    breakers.failed("a", failures.SERVER)
    assert resting() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("failure", "rests"),
    [(failures.AUTH, 10.0), (failures.RATE_LIMIT, 0.0), (failures.SERVER, 0.0)],
)
def test_a_breaker_goes_by_the_failures_row(
    failure: failures.Failure, rests: float
) -> None:
    breakers = MemoryBreakers(FakeClock(), BreakerPolicy(jitter=0.0))
    breakers.failed("a", failure)

    assert now(breakers.resting(["a"])) == [rests]


def test_nothing_is_known_of_a_model_never_asked() -> None:
    breakers = MemoryBreakers(FakeClock())
    breakers.asked("a")
    breakers.succeeded("b")
    breakers.excused("c")

    assert now(breakers.resting(["a", "b", "c", "d"])) == [0.0] * 4


def test_breakers_say_how_they_are() -> None:
    breakers = MemoryBreakers(FakeClock(), BreakerPolicy(jitter=0.0))
    breakers.failed("a", failures.AUTH)
    breakers.failed("b", failures.SERVER)

    assert now(breakers.states(["a", "b", "c"])) == [
        BreakerState(State.OPEN, 10.0, 1, 1),
        BreakerState(State.CLOSED, 0.0, 1),
        BreakerState(),
    ]


def test_a_turn_is_later_than_all_before() -> None:
    turns = MemoryTurns()
    assert turns.last("a") == 0

    for name in ("a", "b", "a"):
        turns.take(name)

    assert 0 < turns.last("b") < turns.last("a")
