from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import in_no_time
from tests.relay.rig import Rig, fails, request, tells
from tproxy.core.model import RetryPolicy
from tproxy.relay.budget import Repeats, RetryBudget


def under_way(count: int, repeats: int, provider: str = "p") -> RetryBudget:
    budget = RetryBudget()
    for _ in range(count):
        budget.begin(provider)
    assert all(budget.take(provider) for _ in range(repeats))
    return budget


@pytest.mark.parametrize(
    ("count", "most"),
    [(0, 3), (3, 3), (15, 3), (16, 4), (20, 4), (100, 20), (101, 21)],
)
def test_a_fifth_of_what_is_under_way_may_be_repeats(count: int, most: int) -> None:
    budget = under_way(count, most)

    assert not budget.take("p")
    budget.give_back("p")
    assert budget.take("p")


def test_a_provider_that_fails_does_not_use_up_what_is_for_others() -> None:
    budget = under_way(10, 3, "bad")
    for _ in range(40):
        budget.begin("good")

    assert not budget.take("bad")
    assert budget.take("good")


def test_all_providers_together_are_bounded_too() -> None:
    budget = under_way(0, 2, "a")

    assert budget.take("b")
    assert not budget.take("b")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_what_ends_makes_room(asked: list[tuple[str, bool]]) -> None:
    budget = RetryBudget()
    repeats = Repeats(budget)
    for provider, repeated in asked:
        budget.begin(provider)
        if repeated:
            repeats.take(provider)
    for provider, _ in asked:
        budget.end(provider)
    repeats.end()

    assert all(budget.take(provider) for provider in "abc")


def test_a_crowd_is_not_repeated_all_at_once() -> None:
    """Thirty requests to a provider that fails: all once, and three of them again."""
    policy = RetryPolicy(max_retries=3, base_delay=1.0, jitter=0.0)
    rig = Rig({"a": fails(500)}, retry=policy)

    async def test() -> None:
        await asyncio.gather(*(rig.asking(request("a")) for _ in range(30)))

    in_no_time(test())
    assert len(rig.asked) == 30 + 3 * policy.max_retries


def test_nothing_is_left_counted() -> None:
    rig = Rig({"a": [fails(500), tells("Hello"), fails(400), tells("Hello")]})

    for _ in range(4):
        rig.ask("a")
        rig.ask("a", stream=True)

    assert not any(rig.budget._under_way.values())
    assert not any(rig.budget._repeats.values())
