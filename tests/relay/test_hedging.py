"""Two candidates at once, of which one answers."""

from __future__ import annotations

import asyncio

import attrs
import pytest

from tests.clocks import in_no_time
from tests.dialect import completion, event
from tests.fakes import Act, Script, Silence
from tests.relay.late import HEDGED, moment, outcomes, reason, rig
from tests.relay.rig import (
    DOWN,
    JSON,
    SSE,
    fails,
    good,
    model,
    request,
    streamed,
    whole,
)
from tproxy.core import failures
from tproxy.core.breaker import State
from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.model import RetryPolicy
from tproxy.core.upstream import Usage
from tproxy.core.windows import MINUTE, Window
from tproxy.state.memory import MemoryBreakers


@streamed
def test_who_is_in_time_is_asked_alone(stream: bool) -> None:
    made = rig({n: good(n, stream) for n in "ab"}, {"a": 0.9})

    seen = made.ask(stream=stream)

    assert made.asked == ["a"]
    assert reason(seen) == "category SMALL; priority 0"
    assert made.hedging["SMALL"].allowance.hedged == 0


@streamed
def test_a_second_answers_where_the_first_is_late(stream: bool) -> None:
    made = rig({n: good(n, stream) for n in "ab"}, {"a": 9.0, "b": 0.5})

    async def test() -> None:
        seen = await made.asking(request(stream=stream))

        assert moment(made) == pytest.approx(1.5)
        assert seen.text == whole(good("b", stream))
        assert seen.answer is not None
        assert seen.answer.attempts == 2
        words = "category SMALL; priority 1; hedged after 1000 ms; a outrun"
        assert reason(seen) == words == made.trail.reason

    in_no_time(test())
    assert made.asked == ["a", "b"]
    assert outcomes(made) == [("a", "outrun"), ("b", "answered")]
    assert made.outcomes == [("a", "excused"), ("b", "succeeded")]
    assert sorted(made.quotas.settled) == ["quota of a", "quota of b"]
    assert made.quotas.released == []
    assert made.trail.usage == (None if stream else Usage(3, 4))
    hedging = made.hedging["SMALL"]
    assert (hedging.allowance.hedged, hedging.won) == (1, 1)


@streamed
def test_the_first_may_still_be_faster(stream: bool) -> None:
    made = rig({n: good(n, stream) for n in "ab"}, {"a": 1.5, "b": 9.0})

    async def test() -> None:
        seen = await made.asking(request(stream=stream))

        assert moment(made) == pytest.approx(1.5)
        assert seen.text == whole(good("a", stream))
        words = "category SMALL; priority 0; hedged after 1000 ms; b outrun"
        assert reason(seen) == words

    in_no_time(test())
    assert outcomes(made) == [("b", "outrun"), ("a", "answered")]
    assert made.outcomes == [("b", "excused"), ("a", "succeeded")]
    assert sorted(made.quotas.settled) == ["quota of a", "quota of b"]
    assert made.hedging["SMALL"].won == 0


def test_a_loser_is_hung_up_on_before_the_answer_is_handed_on() -> None:
    stuck = Script([event(), Silence()], headers=SSE)  # it never has content
    made = rig({"a": stuck, "b": good("b", stream=True)}, {})

    async def test() -> None:
        async with made.answering(request(stream=True)):
            assert len(made.transport.under_way) == 1
            assert made.quotas.settled == ["quota of a"]

    in_no_time(test())
    assert made.outcomes == [("a", "excused"), ("b", "excused")]


def test_of_two_answers_at_once_one_is_given() -> None:
    """The other came too: it counts as it was, and its usage is not told."""
    other = completion("b").replace(
        b'"completion_tokens": 4', b'"completion_tokens": 9'
    )
    tokens = (Limit(Unit.TOKENS, 10_000, Window(MINUTE)),)
    made = rig(
        {"a": good("a", stream=False), "b": Script([other], headers=JSON)},
        {"a": 1.5, "b": 0.5},
        models=tuple(
            attrs.evolve(model(n, priority=at), budgets=(Budget(n, tokens),))
            for at, n in enumerate("ab")
        ),
    )

    seen = made.ask()

    assert seen.text == completion("a")
    assert made.trail.usage == Usage(3, 4)
    assert made.quotas.settled == ["b", "a"]
    assert made.quotas.costs == [Cost(1, 12), Cost(1, 7)]
    assert sorted(made.outcomes) == [("a", "succeeded"), ("b", "succeeded")]
    assert outcomes(made) == [("b", "outrun"), ("a", "answered")]


@streamed
@pytest.mark.parametrize(
    "act", [DOWN, fails(500), fails(429), fails(400), fails(401)], ids=str
)
def test_if_the_second_fails_the_first_is_waited_for(act: Act, stream: bool) -> None:
    """Even where it refuses the request: without it, nobody would have known."""
    made = rig({"a": good("a", stream), "b": act}, {"a": 3.0})

    seen = made.ask(stream=stream)

    assert seen.text == whole(good("a", stream))
    assert [name for name, _ in outcomes(made)] == ["b", "a"]
    assert outcomes(made)[1] == ("a", "answered")
    assert "hedged after 1000 ms" in reason(seen)


@streamed
def test_if_the_first_fails_the_second_goes_on_alone(stream: bool) -> None:
    acts = {"a": fails(500), "b": good("b", stream), "c": good("c", stream)}
    made = rig(acts, {"a": 1.5, "b": 9.0})

    async def test() -> None:
        seen = await made.asking(request(stream=stream))

        assert moment(made) == pytest.approx(10.0)
        assert seen.text == whole(good("b", stream))
        words = "category SMALL; priority 1; a server; hedged after 1000 ms"
        assert reason(seen) == words

    in_no_time(test())
    assert made.asked == ["a", "b"]
    assert outcomes(made) == [("a", "server"), ("b", "answered")]
    assert made.outcomes == [("a", "server"), ("b", "succeeded")]


def test_if_both_fail_the_next_is_asked() -> None:
    """And it alone, however late: one hedge a request."""
    acts: dict[str, Act] = {"a": fails(500), "b": fails(500)}
    acts |= {n: good(n, stream=False) for n in "cd"}
    made = rig(acts, {"a": 3.0, "b": 1.0, "c": 9.0}, hedges=5)

    seen = made.ask()

    assert made.asked == ["a", "b", "c"]
    assert seen.text == completion("c")
    assert outcomes(made) == [("b", "server"), ("a", "server"), ("c", "answered")]
    assert made.hedging["SMALL"].allowance.hedged == 1


def test_both_are_repeated_as_any_other() -> None:
    acts: dict[str, Act | list[Act]] = {
        "a": [fails(500), good("a", stream=False)],
        "b": fails(503),
    }
    made = rig(acts, {"a": 2.0}, retry=RetryPolicy(max_retries=1, jitter=0.0))

    seen = made.ask()

    assert seen.text == completion("a")
    assert made.asked == ["a", "b", "b", "a"]
    assert not any(made.budget._repeats.values())
    assert not any(made.budget._under_way.values())


def test_what_the_first_refuses_is_refused() -> None:
    made = rig({"a": fails(400), "b": good("b", stream=False)}, {"a": 1.5, "b": 9.0})

    seen = made.ask()

    assert seen.told == (400, "upstream_rejected")
    assert outcomes(made) == [("a", "rejected"), ("b", "outrun")]
    assert made.outcomes == [("a", "rejected"), ("b", "excused")]
    assert len(made.quotas.settled) == 2


def test_what_the_second_refuses_is_refused_once_the_first_has_failed() -> None:
    acts = {"a": fails(500), "b": fails(400), "c": good("c", stream=False)}
    made = rig(acts, {"a": 3.0})

    seen = made.ask()

    assert seen.told == (400, "upstream_rejected")
    assert made.asked == ["a", "b"]


def test_one_deadline_for_both() -> None:
    routing = attrs.evolve(HEDGED, deadline_seconds=4.0)
    made = rig({"a": Silence(), "b": Silence()}, {}, routing=routing)

    async def test() -> None:
        seen = await made.asking(request(stream=True))
        assert moment(made) == pytest.approx(4.0)
        assert seen.told == (504, "upstream_timeout")

    in_no_time(test())
    assert made.asked == ["a", "b"]
    assert made.outcomes == [("a", "excused"), ("b", "excused")]


@streamed
def test_a_probe_is_waited_for_so_that_who_is_slow_may_be_well_again(
    stream: bool,
) -> None:
    """Always outrun, it would stay half-open for ever."""
    acts: dict[str, Act | list[Act]] = {n: [good(n, stream)] * 2 for n in "ab"}
    made = rig(acts, {"a": 3.0, "b": 0.5}, hedges=2)
    made.real_breakers = breakers = MemoryBreakers(made.clock, chance=lambda: 0.5)

    async def test() -> None:
        breakers.failed("a", failures.BILLING)
        [rest] = await breakers.resting(["a"])
        await asyncio.sleep(rest)
        for closed in (False, True):
            await made.asking(request(stream=stream))
            [state] = await breakers.states(["a"])
            assert (state.state is State.CLOSED) is closed

    in_no_time(test())
    assert outcomes(made) == [("a", "answered")] * 2
