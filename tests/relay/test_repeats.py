"""When one candidate is asked again, and how long all of it may take."""

from __future__ import annotations

import asyncio
import math

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import Act, Gate, Silence
from tests.relay.rig import (
    DOWN,
    ONCE,
    ROWS,
    Rig,
    fails,
    good,
    request,
    says,
    streamed,
    tells,
    whole,
)
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Patience, RetryPolicy, Routing
from tproxy.core.upstream import Broken
from tproxy.state.memory_quotas import MemoryQuotas

# The body of origin's to-do, with the account's id changed.
HIDDEN_429 = (
    b'500 unexpected status code: 429, body: {"error":{"message":"Provider returned '
    b'error","code":429,"metadata":{"raw":"qwen/qwen3-coder:free is temporarily '
    b'rate-limited upstream. Please retry shortly","provider_name":"Chutes"}}}'
)


@streamed
def test_a_candidate_is_asked_again_after_growing_pauses(stream: bool) -> None:
    rig = Rig({"a": [fails(500)] * 3 + [good("Hello", stream)]})

    seen = rig.ask("a", stream=stream)

    assert seen.error is None
    assert rig.asked == ["a"] * 4
    assert rig.slept == pytest.approx([1.0, 2.0, 4.0])
    assert rig.quotas.settled == ["quota of a"] * 4


def test_pauses_are_spread_by_chance() -> None:
    policy = RetryPolicy(base_delay=1.0, jitter=0.1, max_retries=1)
    low = Rig({"a": fails(500)}, retry=policy, chance=0.0)
    high = Rig({"a": fails(500)}, retry=policy, chance=0.999)

    low.ask("a")
    high.ask("a")

    assert low.slept == pytest.approx([0.9])
    assert high.slept == pytest.approx([1.1], rel=0.001)


def test_repeats_are_bounded() -> None:
    rig = Rig({"a": fails(500)}, retry=RetryPolicy(max_retries=2))

    seen = rig.ask("a")

    assert seen.told == (502, "upstream_error")
    assert rig.asked == ["a"] * 3


@pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.again], ids=lambda row: row.name
)
def test_what_will_not_mend_is_not_repeated(row: Failure) -> None:
    rig = Rig({"a": Broken(row, "")})

    seen = rig.ask("a")

    assert seen.told == (row.told.status, row.told.code)
    assert rig.asked == ["a"]
    assert rig.slept == []


def test_others_come_before_repeats() -> None:
    rig = Rig({name: fails(500) for name in "abc"}, retry=RetryPolicy(max_retries=1))

    rig.ask()

    assert "".join(rig.asked) == "abcabc"
    assert rig.slept == pytest.approx([1.0])


def test_others_come_before_repeats_also_without_pauses() -> None:
    policy = RetryPolicy(max_retries=1, base_delay=0.0)
    rig = Rig({name: fails(500) for name in "abc"}, retry=policy)

    rig.ask()

    assert "".join(rig.asked) == "abcabc"


def test_a_repeat_has_no_pause_that_has_passed_already() -> None:
    """Its pause runs while others are asked."""
    slow = Patience(whole=0.4)
    rig = Rig(
        {"a": [fails(500), tells("Hello")], "b": Silence()},
        patience=slow,
        retry=RetryPolicy(max_retries=1, jitter=0.0),
    )

    rig.ask()

    assert rig.asked == ["a", "b", "a"]
    assert rig.slept == pytest.approx([0.6])


def test_walking_on_is_not_bounded_by_repeats() -> None:
    names = [f"m{number}" for number in range(20)]
    acts: dict[str, Act] = dict.fromkeys(names, DOWN)
    rig = Rig({**acts, "last": tells("Hello")}, retry=ONCE)

    seen = rig.ask()

    assert seen.error is None
    assert rig.asked == [*names, "last"]


def test_repeats_stop_at_a_different_error() -> None:
    acts = [fails(500, HIDDEN_429), fails(500, HIDDEN_429), fails(401)]
    rig = Rig({"a": [*acts, tells("Never")]})

    seen = rig.ask("a")

    assert seen.told == (502, "upstream_auth_failed")
    assert rig.asked == ["a"] * 3


def test_a_limit_hidden_in_a_500_is_waited_out_after_others() -> None:
    rig = Rig(
        {
            "a": [fails(500, HIDDEN_429), fails(500, HIDDEN_429), tells("Hello")],
            "b": fails(404),
        }
    )

    seen = rig.ask()

    assert seen.error is None
    assert rig.asked == ["a", "b", "a", "a"]
    assert rig.slept == pytest.approx([1.0, 2.0])
    assert rig.quotas.rests == [("quota of a", None)] * 2
    assert rig.quotas.released == ["quota of a", "quota of b", "quota of a"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_the_wait_a_provider_asks_for_is_kept(status: int) -> None:
    rig = Rig({"a": [fails(status, retry_after="7"), tells("Hello")]})

    seen = rig.ask("a")

    assert seen.error is None
    assert rig.slept == pytest.approx([7.0])


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, (429, "rate_limit_exceeded")), (503, (502, "upstream_error"))],
)
def test_a_wait_over_the_longest_is_left_to_the_client(
    status: int, expected: tuple[int, str]
) -> None:
    rig = Rig({"a": fails(status, retry_after="31")})

    seen = rig.ask("a")

    assert seen.told == expected
    assert seen.retry_after == 31.0
    assert rig.asked == ["a"]
    assert rig.slept == []


@pytest.mark.parametrize("stream", [False, True])
def test_nobody_waits_beyond_the_deadline(stream: bool) -> None:
    routing = Routing(deadline_seconds=5.0)
    rig = Rig({"a": fails(503, retry_after="6")}, routing=routing)

    seen = rig.ask("a", stream=stream)

    assert seen.told == (502, "upstream_error")
    assert rig.asked == ["a"]
    assert rig.slept == []


@streamed
def test_the_deadline_is_for_all_attempts_together(stream: bool) -> None:
    """Whoever was cut short by it is not to blame."""
    acts = dict.fromkeys("abc", Silence())
    rig = Rig(
        acts,
        patience=Patience(connect=1.0, first_byte=19.0, whole=20.0),
        routing=Routing(deadline_seconds=30.0),
    )

    async def test() -> float:
        seen = await rig.asking(request(stream=stream))
        assert seen.told == (504, "upstream_timeout")
        return LoopClock().steady()

    assert in_no_time(test()) == pytest.approx(30.0)
    assert rig.asked == ["a", "b"]
    assert [a.seconds for a in rig.trail.attempts] == pytest.approx([20.0, 10.0])
    row = "first_byte" if stream else "timed_out"
    assert rig.outcomes == [("a", row), ("b", "excused")]
    assert rig.quotas.settled == ["quota of a", "quota of b"]


def test_the_deadline_does_not_end_an_answer_that_has_begun() -> None:

    class Slow(Gate):
        async def passing(self, place: str) -> None:
            if place.startswith("read "):
                await asyncio.sleep(14.0)

    routing = Routing(deadline_seconds=30.0)
    rig = Rig({"a": says("Hello")}, routing=routing, gate=Slow())

    seen = rig.ask(stream=True)

    assert seen.text == whole(says("Hello"))
    assert rig.outcomes == [("a", "succeeded")]


@streamed
def test_how_long_a_provider_may_take(stream: bool) -> None:
    patience = Patience(connect=1.0, first_byte=2.0, silence=4.0, whole=8.0)
    rig = Rig({"a": good("Hello", stream)}, patience=patience)

    rig.ask(stream=stream)

    endless = attrs.evolve(patience, whole=math.inf)
    whole = attrs.evolve(patience, first_byte=8.0, silence=8.0)
    assert rig.transport.patience == [endless if stream else whole]


@streamed
def test_a_connection_that_was_closed_meanwhile_is_no_failure(stream: bool) -> None:
    """It is asked again before all others, at once and whatever the policy."""
    stale = Broken(failures.STALE, "")
    rig = Rig({"a": (stale, good("Hello", stream)), "b": good("", stream)}, retry=ONCE)
    twice = Rig({"a": stale, "b": good("Hello", stream)}, retry=ONCE)

    assert rig.ask(stream=stream).error is None
    assert twice.ask(stream=stream).error is None
    assert rig.asked == ["a", "a"]
    assert twice.asked == ["a", "a", "b"]
    assert rig.slept == twice.slept == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_token_that_had_died_is_no_failure(stream: bool) -> None:
    refused = fails(401)
    rig = Rig({"a": [refused, good("Hello", stream)]}, died=[True])
    alone = Rig({"a": refused, "b": good("Hello", stream)}, died=[True, False])

    assert rig.ask("a", stream=stream).error is None
    assert alone.ask(stream=stream).error is None

    assert rig.asked == ["a", "a"]
    assert alone.asked == ["a", "a", "b"]
    assert [a.outcome for a in alone.trail.attempts] == ["expired", "auth", "answered"]
    assert rig.slept == alone.slept == []
    assert rig.quotas.settled == ["quota of a"]


def test_a_timer_may_ring_early() -> None:
    """As those of some event loops do; a quota would still rest then."""

    class EarlyOnce(Rig):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds if self.slept else seconds / 2)

    rig = EarlyOnce({"a": [fails(429), tells("Hello")]})
    rig.real_quotas = MemoryQuotas(rig.clock)

    assert rig.ask("a").error is None
    assert rig.slept == pytest.approx([0.5, 0.5])
