"""Every way to say "later", and every absurd one: a bounded rest, never a ban."""

# ruff: noqa: E501 - the table reads better in rows
from __future__ import annotations

import attrs
import pytest

from tests.clocks import FakeClock
from tests.dialect import error
from tests.e2e.stage import at, staged
from tests.faults.laboratory import ASKING, discreet, good, wait
from tests.faults.script import JSON, whole
from tests.faults.upstream import scripted
from tests.serving import run

DAY = 86_400.0
NOW = "Tue, 03 Nov 2026 10:00:00 GMT"
EPOCH = 1_793_700_000


@attrs.frozen
class Said:
    """What a 429 says, and the seconds that its quota rests."""

    rest: float
    headers: dict[str, str]
    message: str = "slow down"


def later(rest: float, message: str = "slow down", **headers: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(rest, named, message)


# fmt: off
SAID = {
    "nothing": later(1),
    "seconds": later(20, retry_after="20"),
    "half seconds": later(1.5, retry_after="1.5"),
    "milliseconds": later(1.25, retry_after_ms="1250"),
    "both": later(1.25, retry_after_ms="1250", retry_after="2"),
    "a date": later(30, retry_after="Tue, 03 Nov 2026 10:00:30 GMT", date=NOW),
    "a date in another zone": later(30, retry_after="Tue, 03 Nov 2026 12:00:30 +0200", date=NOW),
    "a duration of tokens": later(360, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="6m0s"),
    "a duration of requests": later(0.13, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="130ms"),
    "a span": later(2, x_ratelimit_remaining="0", x_ratelimit_reset="2"),
    "an epoch": later(60, x_ratelimit_remaining="0", x_ratelimit_reset=f"{EPOCH + 60}", date=NOW),
    "an epoch in milliseconds": later(60, x_ratelimit_remaining="0", x_ratelimit_reset=f"{EPOCH + 60}000", date=NOW),
    "a moment": later(30, anthropic_ratelimit_tokens_remaining="0", anthropic_ratelimit_tokens_reset="2026-11-03T10:00:30Z", date=NOW),
    "words": later(67.66, "Please try again in 1m7.66s."),
    "words in milliseconds": later(0.65, "Please try again in 650ms."),
    "a clock": later(5484, "Quota will be replenished in 01:31:24."),
    # Absurd ones.
    "zero": later(1, retry_after="0"),
    "negative": later(1, retry_after="-5"),
    "negative milliseconds": later(1, retry_after_ms="-5000"),
    "years": later(DAY, retry_after="315360000"),
    "milliseconds taken for seconds": later(DAY, retry_after="274579000"),
    "years of milliseconds": later(DAY, retry_after_ms="9" * 15),
    "a number without end": later(1, retry_after="9" * 400),
    "infinity": later(1, retry_after="inf"),
    "no number": later(1, retry_after="nan"),
    "an exponent": later(1, retry_after="1e9"),
    "a word": later(1, retry_after="soon"),
    "two numbers": later(1, retry_after="5, 7"),
    "a date in the past": later(1, retry_after="Tue, 03 Nov 2026 09:59:30 GMT", date=NOW),
    "a date of another century": later(DAY, retry_after="Tue, 03 Nov 2126 10:00:00 GMT", date=NOW),
    "a date beyond all years": later(1, retry_after="Tue, 03 Nov 99999 10:00:00 GMT", date=NOW),
    "a date without a now": later(1, retry_after="Tue, 03 Nov 2026 10:00:30 GMT"),
    "a now that is none": later(1, retry_after=NOW, date="yesterday"),
    "an epoch in the past": later(1, x_ratelimit_remaining="0", x_ratelimit_reset=f"{EPOCH - 60}", date=NOW),
    "an epoch in microseconds": later(1, x_ratelimit_remaining="0", x_ratelimit_reset=f"{EPOCH}000000000", date=NOW),
    "words of years": later(DAY, "Please try again in 99999999 hours."),
    "words of nothing": later(1, "Please try again in 0s."),
    # Headers that contradict each other.
    "exact, and absurd": later(2, retry_after_ms="2000", retry_after="315360000"),
    "absurd, and exact": later(1, retry_after_ms="-1", retry_after="1"),
    "a header, and other words": later(20, "Please try again in 1h.", retry_after="20"),
    "two resets": later(60, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="1m", x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="1s"),
    "nothing left, and no reset": later(1, x_ratelimit_remaining_tokens="0", x_ratelimit_reset_tokens="-1"),
    "much left, and a reset": later(1, x_ratelimit_remaining_tokens="500", x_ratelimit_reset_tokens="6h"),
}
# fmt: on


@pytest.mark.parametrize("name", SAID)
def test_its_quota_rests_so_long_and_no_longer(name: str) -> None:
    said, clock = SAID[name], FakeClock()
    refusal = whole(error(said.message), 429, {**JSON, **said.headers})

    async def test() -> None:
        async with (
            scripted(refusal, good(False)) as upstream,
            staged(at(upstream.url, "p/a"), clock=clock) as stage,
        ):
            refused = await stage.ask(model="p/a", **ASKING)
            clock.advance(said.rest - 0.01)
            early = await stage.ask(model="p/a", **ASKING)
            clock.advance(0.02)
            answered = await stage.ask(model="p/a", **ASKING)

            assert (refused.status, early.status, answered.status) == (429, 429, 200)
            assert wait(refused) == pytest.approx(said.rest, abs=0.0011)
            assert wait(early) == pytest.approx(0.01, abs=0.0011)
            assert len(upstream.asked) == 2
            assert len(stage.recorder.events) == 3
            discreet(stage)

    run(test)


@pytest.mark.parametrize("said", [None, "315360000", "-5", "86400"])
def test_whatever_is_said_again_and_again_a_day_is_the_longest(
    said: str | None,
) -> None:
    """And after it one asks again, however often it was refused before."""
    clock = FakeClock()
    asking = {} if said is None else {"Retry-After": said}
    refusal = whole(error("slow down"), 429, {**JSON, **asking})

    async def test() -> None:
        async with (
            scripted(*[refusal] * 20, good(False)) as upstream,
            staged(at(upstream.url, "p/a"), clock=clock) as stage,
        ):
            for _ in range(20):
                refused = await stage.ask(model="p/a")
                assert refused.status == 429
                rest = wait(refused)
                assert rest is not None
                assert 0 < rest <= DAY
                clock.advance(rest)

            assert (await stage.ask(model="p/a")).status == 200
            assert len(upstream.asked) == 21

    run(test)


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("said", ["315360000", "-5", "soon"])
def test_a_failure_rests_by_our_own_measure(status: int, said: str) -> None:
    """Whatever it asks for: five in a row, and ten seconds."""
    clock = FakeClock()
    failure = whole(error("oops"), status, {**JSON, "Retry-After": said})

    async def test() -> None:
        async with (
            scripted(*[failure] * 5, good(False)) as upstream,
            scripted(good(False)) as second,
            staged(
                at(upstream.url, "p/a", 1), at(second.url, "q/b", 2), clock=clock
            ) as stage,
        ):
            for _ in range(6):
                assert (await stage.ask()).headers["x-tproxy-model"] == "q/b"
            assert len(upstream.asked) == 5
            clock.advance(10.01)
            assert (await stage.ask()).headers["x-tproxy-model"] == "p/a"

    run(test)
