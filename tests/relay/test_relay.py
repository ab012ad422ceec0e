from __future__ import annotations

import asyncio

import attrs
import pytest

from tests import dialect
from tests.dialect import DONE, error_event, event
from tests.fakes import Act, Gate, LoopClock, Script, Silence, in_no_time
from tests.relay.rig import ANYBODY, JSON, SSE, Rig, fails, model, request, says, tells
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Client, Model, Patience, RetryPolicy, Routing
from tproxy.core.quota import MINUTE, Pool, Room, Window
from tproxy.core.upstream import Broken, StreamReader, UpstreamHead, Usage
from tproxy.providers.openai import OpenAI, PassThrough
from tproxy.relay import reading
from tproxy.relay.trail import Trail
from tproxy.state.memory import MemoryBreakers, MemoryQuotas

DOWN = Broken(failures.UNREACHABLE, "refused")
ROWS = [row for row in vars(failures).values() if isinstance(row, Failure)]
ONCE = RetryPolicy(max_retries=0)
COMMENT = b": one moment\n\n"
# The body of origin's to-do, with the account's id changed.
HIDDEN_429 = (
    b'500 unexpected status code: 429, body: {"error":{"message":"Provider returned '
    b'error","code":429,"metadata":{"raw":"qwen/qwen3-coder:free is temporarily '
    b'rate-limited upstream. Please retry shortly","provider_name":"Chutes"}}}'
)

streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def good(text: str, stream: bool) -> Script:
    return says(text) if stream else tells(text)


def whole(script: Script) -> bytes:
    return b"".join(read for read in script.reads if isinstance(read, bytes))


def test_an_answer_is_handed_on_as_it_is() -> None:
    script = tells("Good day")
    rig = Rig({"a": script})

    seen = rig.ask()

    assert seen.text == whole(script)
    assert seen.answer is not None
    assert (seen.answer.model.name, seen.answer.attempts) == ("a", 1)
    assert rig.trail.model is seen.answer.model
    assert rig.trail.usage == Usage(3, 4)
    assert rig.quotas.settled == ["quota of a"]
    assert rig.breakers.told == [("a", "asked"), ("a", "succeeded")]


def test_a_stream_is_handed_on_as_it_is() -> None:
    script = says("Good day")
    rig = Rig({"a": script})

    seen = rig.ask(stream=True)

    assert seen.text == whole(script)
    assert seen.text.count(DONE) == 1
    assert rig.quotas.settled == ["quota of a"]
    assert rig.breakers.told == [("a", "asked"), ("a", "succeeded")]


@streamed
def test_the_first_in_order_is_asked(stream: bool) -> None:
    acts = {name: good(name, stream) for name in "bac"}
    priorities = {"b": 2, "a": 1, "c": 3}
    models = tuple(model(name, priority=at) for name, at in priorities.items())
    rig = Rig(acts, models=models)

    rig.ask(stream=stream)

    assert rig.asked == ["a"]


def test_equals_take_turns() -> None:
    models = tuple(model(name) for name in "abc")
    rig = Rig({name: tells(name) for name in "abc"}, models=models)
    relay = rig.relay

    async def test() -> None:
        for _ in range(9):
            async with relay.answer(request(), ANYBODY, Trail()):
                pass

    in_no_time(test())
    assert "".join(rig.asked) == "abc" * 3


@streamed
@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.onward and row is not failures.STALE],
    ids=lambda row: row.name,
)
def test_a_candidate_that_fails_is_passed_over(row: Failure, stream: bool) -> None:
    answer = good("Hello", stream)
    rig = Rig({"a": Broken(row, ""), "b": answer})

    seen = rig.ask(stream=stream)

    assert seen.text == whole(answer)
    assert rig.asked == ["a", "b"]
    assert rig.slept == []
    assert seen.answer is not None
    assert seen.answer.attempts == 2
    assert seen.answer.reason == f"category SMALL; priority 1; a {row.name}"
    assert [a.outcome for a in rig.trail.attempts] == [row.name, "answered"]


@streamed
@pytest.mark.parametrize(
    "row", [row for row in ROWS if not row.onward], ids=lambda row: row.name
)
def test_a_refused_request_is_shown_to_nobody_else(row: Failure, stream: bool) -> None:
    rig = Rig({"a": Broken(row, ""), "b": good("Hello", stream)})

    seen = rig.ask(stream=stream)

    assert seen.told == (row.told.status, row.told.code)
    assert rig.asked == ["a"]


@pytest.mark.parametrize(
    "before",
    [
        [],
        [COMMENT, COMMENT],
        [event()],
        [COMMENT, event(), event()],
    ],
    ids=["nothing", "comments", "a role", "both"],
)
@pytest.mark.parametrize(
    "end",
    [
        [],
        [DONE],
        [event(finish="stop"), DONE],
        [error_event("overloaded"), DONE],
        [event("not to be seen") + error_event("overloaded")],
        [b"data: {not JSON}\n\n"],
        [b"half an eve"],
        [Broken(failures.EARLY_END, "")],
        [Broken(failures.SILENCE, "")],
        [Silence()],
    ],
    ids=[
        "nothing said",
        "only the end",
        "no content",
        "error",
        "error in one read with content",
        "not JSON",
        "half an event",
        "broken",
        "silent",
        "silent for ever",
    ],
)
def test_before_the_first_content_all_can_be_undone(
    before: list[bytes], end: list[bytes | Broken | Silence]
) -> None:
    answer = says("Hello")
    rig = Rig({"a": Script([*before, *end], headers=SSE), "b": answer})

    seen = rig.ask(stream=True)

    assert seen.text == whole(answer)
    assert rig.asked == ["a", "b"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ([], "upstream_error"),
        ([error_event("overloaded"), DONE], "upstream_error"),
        ([error_event("overloaded"), Silence()], "upstream_error"),
        ([error_event("overloaded") + event(" more") + DONE], "upstream_error"),
        ([error_event("slow down", 429), DONE], "rate_limit_exceeded"),
        ([error_event("no", 401)], "upstream_auth_failed"),
        ([b"data: <html>\n\n", event(" more")], "upstream_error"),
        ([b"half an eve"], "upstream_error"),
        ([b"dat"], "upstream_error"),
        ([b": a comm"], "upstream_error"),
        ([event(" more").rstrip()], "upstream_error"),
        ([Broken(failures.EARLY_END, "")], "upstream_error"),
        ([Broken(failures.SILENCE, "")], "upstream_timeout"),
    ],
    ids=[
        "no end",
        "error",
        "error, then silent",
        "error in one read with content",
        "limit",
        "key",
        "not JSON",
        "half an event",
        "half a name",
        "half a comment",
        "no blank line",
        "broken",
        "silent",
    ],
)
def test_after_it_a_failure_is_one_event_and_the_end(
    end: list[bytes | Broken | Silence], code: str
) -> None:
    begun = [event(), event("Once"), event(" upon")]
    rig = Rig({"a": Script([*begun, *end], headers=SSE), "b": says("Never")})

    seen = rig.ask(stream=True)

    text, _, last = seen.text.rpartition(b"\n\ndata: ")
    assert text.startswith(b"".join(begun).rstrip())
    assert b'"error"' not in text
    assert last.startswith(b'{"error": {"message": "a: the provider')
    assert last.endswith(b'"code": "%b"}}\n\n' % code.encode())
    assert b"[DONE]" not in seen.text
    assert rig.asked == ["a"]
    assert rig.trail.broken == code


def test_usage_is_known_of_a_broken_answer_too() -> None:
    usage = b'data: {"choices": [], "usage": {"prompt_tokens": 5}}\n\n'
    rig = Rig({"a": Script([event("Once"), usage, error_event("")], headers=SSE)})

    rig.ask(stream=True)

    assert rig.trail.usage == Usage(5, 0)


def test_a_reason_has_an_end() -> None:
    names = [f"a-model-with-a-long-name-{number}" for number in range(30)]
    acts: dict[str, Act] = dict.fromkeys(names, DOWN)
    rig = Rig({**acts, "last": tells("Hello")})
    rig.quotas.free_in = {f"quota of {name}": 9.0 for name in names[:9]}

    seen = rig.ask()

    assert seen.answer is not None
    reason = seen.answer.reason
    assert len(reason) == 400
    assert reason.isascii()
    assert reason.count("quota spent") == 4


def test_what_breaks_after_the_end_is_no_failure() -> None:
    late = Broken(failures.EARLY_END, "no last chunk")
    rig = Rig({"a": Script([*says("Hello").reads, late], headers=SSE)})

    seen = rig.ask(stream=True)

    assert seen.text == whole(says("Hello"))
    assert rig.outcomes == [("a", "succeeded")]


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

    whole = attrs.evolve(patience, first_byte=8.0, silence=8.0)
    assert rig.transport.patience == [patience if stream else whole]


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


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_failure_counts_as_its_row_says(row: Failure) -> None:
    rig = Rig({"a": [Broken(row, ""), tells("Hello")]}, retry=ONCE)

    rig.ask("a")

    if row is failures.STALE:
        assert rig.quotas.settled == ["quota of a"] * 2
        return
    counted = (rig.quotas.settled, rig.quotas.released)
    assert counted == ((["quota of a"], []) if row.counts else ([], ["quota of a"]))
    assert rig.breakers.told == [("a", "asked"), ("a", row.name)]
    assert rig.quotas.rests == (
        [("quota of a", None)] if row is failures.RATE_LIMIT else []
    )


def test_a_failure_after_content_counts_whatever_it_is() -> None:
    """The provider has worked on it; and its limit is a limit here too."""
    rig = Rig({"a": Script([event("Once"), error_event("", 429)], headers=SSE)})

    rig.ask(stream=True)

    assert rig.quotas.settled == ["quota of a"]
    assert rig.quotas.released == []
    assert rig.quotas.rests == [("quota of a", None)]
    assert rig.outcomes == [("a", "rate_limit")]


def test_the_provider_says_how_long_its_quota_rests() -> None:
    rig = Rig({"a": fails(429, retry_after="20")}, retry=ONCE)

    rig.ask("a")

    assert rig.quotas.rests == [("quota of a", 20.0)]


def test_a_quota_taken_meanwhile_is_no_failure() -> None:
    rig = Rig({"a": tells("a"), "b": tells("b")})
    rig.quotas.denials["quota of a"] = [17.0]

    seen = rig.ask()

    assert rig.asked == ["b"]
    assert seen.answer is not None
    assert seen.answer.reason == "category SMALL; priority 1; a quota spent"
    assert rig.breakers.told == [("b", "asked"), ("b", "succeeded")]


def test_when_all_quotas_are_spent_the_soonest_counts() -> None:
    rig = Rig({name: tells("") for name in "abc"})
    rig.quotas.free_in = {"quota of a": 40.0, "quota of b": 17.5, "quota of c": 60.0}

    seen = rig.ask()

    assert seen.told == (429, "quota_exhausted")
    assert seen.retry_after == 17.5
    assert rig.asked == []
    assert rig.quotas.reserved == []


def test_a_wait_is_told_as_it_is_when_told() -> None:
    """Not as it was before others were asked."""
    rig = Rig(
        {"spent": tells(""), "slow": Silence()},
        patience=Patience(whole=20.0),
        retry=ONCE,
        models=(
            attrs.evolve(
                model("spent", priority=0),
                pools=(Pool("spent", (Window(MINUTE, 1),)),),
            ),
            model("slow"),
        ),
    )
    rig.real_quotas = quotas = MemoryQuotas(rig.clock)

    async def test() -> None:
        await quotas.reserve(rig.models[0].pools)
        await asyncio.sleep(10.0)
        seen = await rig.asking(request())
        assert seen.told == (429, "quota_exhausted")
        assert seen.retry_after == pytest.approx(30.0)

    in_no_time(test())


def test_a_limited_provider_rests_for_everybody() -> None:
    rig = Rig({"a": fails(429, retry_after="8"), "b": fails(500)}, retry=ONCE)
    rig.real_quotas = MemoryQuotas(rig.clock)

    async def test() -> None:
        first = await rig.asking(request())
        assert first.retry_after == pytest.approx(8.0)
        await asyncio.sleep(7.0)
        await rig.asking(request())
        await asyncio.sleep(2.0)
        await rig.asking(request())

    in_no_time(test())
    assert rig.asked == ["a", "b", "b", "a", "b"]


def test_a_limit_met_by_a_named_model_stays_the_providers() -> None:
    """Even where our own rest then keeps it from being asked again."""

    class OthersMeetItToo(Gate):
        async def passing(self, place: str) -> None:
            if place == "sleep":
                rig.quotas.denials["quota of a"] = [5.0]

    rig = Rig({"a": fails(429)}, gate=OthersMeetItToo())

    seen = rig.ask("a")

    assert seen.told == (429, "rate_limit_exceeded")
    assert rig.asked == ["a"]


def test_one_that_rests_is_passed_over() -> None:
    rig = Rig({"a": tells("a"), "b": tells("b")})
    rig.breakers.rests["a"] = 5.0

    rig.ask()

    assert rig.asked == ["b"]


def test_when_all_rest_a_guess_beats_a_refusal() -> None:
    rig = Rig({"a": tells("a"), "b": tells("b")})
    rig.breakers.rests = {"a": 50.0, "b": 10.0}

    seen = rig.ask()

    assert rig.asked == ["b"]
    assert seen.error is None
    assert rig.breakers.told == [("b", "asked"), ("b", "succeeded")]


def test_a_guess_is_made_once() -> None:
    rig = Rig({"a": fails(500)})
    rig.breakers.rests["a"] = rig.breakers.opens["a"] = 10.0

    seen = rig.ask("a")

    assert seen.told == (502, "upstream_error")
    assert rig.asked == ["a"]


def test_a_breaker_that_opens_ends_the_repeats() -> None:
    rig = Rig({"a": fails(500)})
    rig.breakers.opens["a"] = 10.0

    seen = rig.ask("a")

    assert rig.asked == ["a"]
    assert rig.slept == []
    assert seen.told == (502, "upstream_error")


def test_a_breaker_that_opened_meanwhile_is_heeded() -> None:

    class OthersFail(Gate):
        async def passing(self, place: str) -> None:
            if place == "transport.open":
                rig.breakers.rests["b"] = 12.0

    rig = Rig({"a": fails(500), "b": tells("Never")}, retry=ONCE, gate=OthersFail())

    seen = rig.ask()

    assert rig.asked == ["a"]
    assert seen.told == (503, "no_candidate")
    assert seen.retry_after == 12.0


def test_five_failures_in_a_row_are_a_rest() -> None:
    rig = Rig({"a": fails(500), "b": tells("Hello")})
    rig.real_breakers = MemoryBreakers(rig.clock)

    async def test() -> None:
        for _ in range(7):
            assert (await rig.asking(request())).error is None
        await asyncio.sleep(10.0)
        await rig.asking(request())

    in_no_time(test())
    assert "".join(rig.asked) == "ab" * 5 + "bb" + "ab"


@streamed
def test_a_named_model_is_never_quietly_another(stream: bool) -> None:
    rig = Rig({"a": DOWN, "b": good("Never", stream)}, retry=ONCE)

    seen = rig.ask("a", stream=stream)

    assert seen.told == (502, "upstream_error")
    assert rig.asked == ["a"]


FALLBACKS = Routing(fallbacks={"a": ("BIG", "c")})


def chained(**acts: Act) -> Rig:
    categories = {"a": None, "b": "BIG", "c": None, "d": None}
    models = tuple(model(name, category=categories[name]) for name in acts)
    return Rig(acts, routing=FALLBACKS, models=models, retry=ONCE)


def test_declared_fallbacks_are_asked_in_order() -> None:
    rig = chained(d=tells(""), c=tells("c"), b=DOWN, a=DOWN)

    seen = rig.ask("a")

    assert rig.asked == ["a", "b", "c"]
    assert seen.answer is not None
    assert seen.answer.model.name == "c"
    assert seen.answer.reason == "fallback after name; a unreachable; b unreachable"


def test_fallbacks_are_for_the_model_that_declares_them() -> None:
    rig = chained(a=tells("a"), b=DOWN, c=tells("c"))

    assert rig.ask("BIG").told == (502, "upstream_error")
    assert rig.asked == ["b"]


def test_a_resting_model_is_not_asked_while_a_fallback_is_well() -> None:
    rig = chained(a=Silence(), b=tells("b"), c=tells("c"))
    rig.breakers.rests["a"] = 5.0

    seen = rig.ask("a")

    assert rig.asked == ["b"]
    assert seen.answer is not None
    assert seen.answer.reason == "fallback after name; a resting after failures"


def test_a_resting_chain_is_guessed_at() -> None:
    rig = chained(a=DOWN, b=DOWN, c=tells("c"))
    rig.breakers.rests = {"a": 5.0, "b": 5.0, "c": 4.0}

    seen = rig.ask("a")

    assert seen.error is None
    assert rig.asked == ["a", "c"]


def test_a_spent_model_goes_to_its_fallback() -> None:
    rig = chained(a=tells("a"), b=tells("b"), c=tells("c"))
    rig.quotas.free_in["quota of a"] = 30.0

    rig.ask("a")

    assert rig.asked == ["b"]


def test_no_name_means_the_category_small_also_for_allow_lists() -> None:
    rig = Rig({"a": tells("a")})
    small_only = Client("team", (), ("SMALL",))

    seen = rig.ask(None, client=small_only)

    assert seen.error is None, seen.error


def test_models_of_others_are_not_told_of() -> None:
    secret = attrs.evolve(model("theirs"), aliases=("hidden",))
    rig = Rig(
        {"theirs": tells(""), "mine": fails(500)},
        models=(secret, model("mine"), model("mine-too")),
        retry=ONCE,
    )
    rig.quotas.free_in["quota of mine-too"] = 5.0
    seen = rig.ask(client=Client("team", (), ("mine*",)))

    assert seen.told == (429, "quota_exhausted")
    assert "theirs" not in str(seen.error)
    assert "mine: the provider failed" in str(seen.error)


PHASES = [
    "quotas.waits",
    "breakers.resting",
    "quotas.reserve",
    "breakers.asked",
    "signer.sign",
    "transport.open",
    "read 0",
    "read 1",
]
UNSENT = PHASES[: PHASES.index("transport.open")]


@streamed
@pytest.mark.parametrize("phase", PHASES)
def test_a_client_may_leave_at_any_moment(phase: str, stream: bool) -> None:
    reads = [event(), event("Hello"), event(finish="stop")] if stream else [b"{", b"}"]
    script = Script(reads, headers=SSE if stream else JSON)
    rig = Rig({"a": script}, gate=Gate(phase))

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request(stream=stream)))
        await rig.gate.reached.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())

    taken = [lease.pools[0].name for lease in rig.quotas.reserved]
    assert rig.quotas.settled == ([] if phase in UNSENT else taken)
    assert rig.quotas.released == (taken if phase in UNSENT else [])
    asked = [told for told in rig.breakers.told if told[1] == "asked"]
    assert rig.outcomes == [("a", "excused")] * len(asked)
    assert rig.transport.under_way == set()


@pytest.mark.parametrize("together", [False, True])
def test_a_client_that_leaves_at_the_end_mark_has_an_answer(together: bool) -> None:
    """As clients do, not waiting for the connection's own end."""
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 5}}\n\n'
    reads = [*dialect.stream("Hello")[:-1], usage, DONE]
    if together:
        reads = [b"".join(reads)]
    rig = Rig({"a": Script([*reads, Silence()], headers=SSE)})

    async def test() -> None:
        async with rig.answering(request(stream=True)) as answer:
            assert answer.begun.body is not None
            async for data in answer.begun.body:
                if DONE in data:
                    break

    in_no_time(test())
    assert rig.outcomes == [("a", "succeeded")]
    assert rig.trail.usage == Usage(0, 5)
    assert [attempt.outcome for attempt in rig.trail.attempts] == ["answered"]


def test_a_client_may_leave_in_the_middle_of_a_stream() -> None:
    rig = Rig({"a": says("Hello")})

    async def test() -> None:
        async with rig.answering(request(stream=True)) as answer:
            assert answer.begun.body is not None
            await anext(aiter(answer.begun.body))
        assert rig.transport.under_way == set()

    in_no_time(test())
    assert rig.quotas.settled == ["quota of a"]
    assert rig.outcomes == [("a", "excused")]
    assert [attempt.outcome for attempt in rig.trail.attempts] == ["left"]


def test_a_client_may_leave_between_two_attempts() -> None:
    rig = Rig({"a": fails(500)}, gate=Gate("sleep"))

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request("a")))
        await rig.gate.reached.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())
    assert rig.asked == ["a"]
    assert rig.quotas.settled == ["quota of a"]
    assert rig.outcomes == [("a", "server")]


@streamed
@pytest.mark.parametrize("status", [101, 204, 300, 301, 307, 418])
def test_what_is_no_answer_is_a_failure(status: int, stream: bool) -> None:
    rig = Rig({"a": fails(status, location="http://elsewhere/")}, retry=ONCE)

    assert rig.ask(stream=stream).told == (502, "upstream_error")
    assert rig.asked == ["a"]


@streamed
@pytest.mark.parametrize(
    "body",
    [
        [Silence()],
        [b'{"error": ', Silence()],
        [Broken(failures.EARLY_END, "")],
        [b'{"error": ', Broken(failures.SILENCE, "")],
    ],
    ids=["silent", "half, then silent", "broken", "half, then broken"],
)
def test_a_status_says_enough_where_the_body_does_not_come(
    body: list[bytes | Broken | Silence], stream: bool
) -> None:
    rig = Rig({"a": Script(body, status=402)})

    async def test() -> None:
        seen = await rig.asking(request(stream=stream))
        assert seen.told == (502, "upstream_billing")
        assert LoopClock().steady() <= 3.0

    in_no_time(test())


def test_an_endless_error_is_read_so_far_only() -> None:
    piece = b"x" * 60_000
    rig = Rig({"a": Script([piece, piece, Silence()], status=500)}, retry=ONCE)

    async def test() -> None:
        assert (await rig.asking(request())).told == (502, "upstream_error")
        assert LoopClock().steady() == 0.0

    in_no_time(test())


def test_an_endless_answer_is_given_up() -> None:
    piece = b" " * 1_048_576
    reads = [piece] * (reading.LONGEST_ANSWER // len(piece) + 1)
    rig = Rig({"a": Script([*reads, Silence()], headers=JSON)}, retry=ONCE)

    seen = rig.ask()

    assert seen.told == (502, "upstream_error")
    assert rig.outcomes == [("a", "malformed")]


def test_an_answer_is_ended_once() -> None:
    """Also where its first content comes with its end."""

    class Reader(PassThrough):
        ends = 0

        def close(self) -> bytes:
            self.ends += 1
            return super().close() + b"\n\n" * self.ends

    class Ending(OpenAI):
        def stream_reader(self, head: UpstreamHead, model: Model) -> StreamReader:
            return Reader(model)

    only = event("Hello", "stop").rstrip()
    rig = Rig({"a": Script([only], headers=SSE)}, adapter=lambda _: Ending())

    assert rig.ask(stream=True).text == only + b"\n\n"


def test_an_endless_wait_for_content_is_given_up() -> None:
    waiting = b": waiting\n\n" * 10_000
    rig = Rig({"a": Script([waiting] * 11 + [Silence()], headers=SSE)}, retry=ONCE)

    rig.ask(stream=True)

    assert rig.outcomes == [("a", "malformed")]


def test_what_is_left_is_told_with_the_answer() -> None:
    rig = Rig({"a": tells("Hello")})
    rig.quotas.left = Room(10, 4, 30.0)

    seen = rig.ask()

    assert seen.answer is not None
    assert seen.answer.room == Room(10, 4, 30.0)


def test_a_model_without_a_quota_can_be_limited() -> None:
    rig = Rig({"a": fails(429)}, models=(attrs.evolve(model("a"), pools=()),))
    rig.real_quotas = MemoryQuotas(rig.clock)

    assert rig.ask("a").told == (429, "rate_limit_exceeded")
