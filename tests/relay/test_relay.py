"""Who is asked, and what of an answer the client gets."""

from __future__ import annotations

import attrs
import pytest

from tests import dialect
from tests.clocks import LoopClock, in_no_time
from tests.dialect import DONE, error_event, event
from tests.fakes import Act, Script, Silence
from tests.relay.rig import (
    ANYBODY,
    DOWN,
    JSON,
    NOBODYS,
    ONCE,
    ROWS,
    SSE,
    Rig,
    fails,
    good,
    model,
    request,
    says,
    streamed,
    tells,
    whole,
)
from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.failures import Failure
from tproxy.core.model import Client, Model, Routing
from tproxy.core.upstream import Broken, Dialect, StreamReader, UpstreamHead, Usage
from tproxy.providers.openai import OpenAI, PassThrough
from tproxy.relay import reading
from tproxy.relay.trail import Trail

COMMENT = b": one moment\n\n"


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
            await relay.answer(request(), ANYBODY, Trail())

    in_no_time(test())
    assert "".join(rig.asked) == "abc" * 3


@streamed
@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.onward and row not in NOBODYS],
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


def test_an_end_mark_is_not_everybodys() -> None:
    rig = Rig({"a": Script(dialect.stream("Hello")[:-1], headers=SSE)})

    seen = rig.ask(stream=True)

    assert seen.text == b"".join(dialect.stream("Hello")[:-1])
    assert rig.outcomes == [("a", "succeeded")]


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


@streamed
@pytest.mark.parametrize("status", [101, 300, 301, 307, 418])
def test_what_is_no_answer_is_a_failure(status: int, stream: bool) -> None:
    rig = Rig({"a": fails(status, location="http://elsewhere/")}, retry=ONCE)

    assert rig.ask(stream=stream).told == (502, "upstream_error")
    assert rig.asked == ["a"]
    assert rig.outcomes == [("a", "unexpected")]


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
        def stream_reader(
            self, head: UpstreamHead, chat: ChatRequest, model: Model
        ) -> StreamReader:
            return Reader(model)

    only = event("Hello", "stop").rstrip()
    ending = Dialect(chat=Ending())
    rig = Rig({"a": Script([only], headers=SSE)}, dialect=lambda _: ending)

    assert rig.ask(stream=True).text == only + b"\n\n"


def test_an_endless_wait_for_content_is_given_up() -> None:
    waiting = b": waiting\n\n" * 10_000
    rig = Rig({"a": Script([waiting] * 11 + [Silence()], headers=SSE)}, retry=ONCE)

    rig.ask(stream=True)

    assert rig.outcomes == [("a", "malformed")]
