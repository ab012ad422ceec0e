"""A stream that breaks after its first content, and models that may go on with it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import attrs
import pytest

from tests.clocks import in_no_time
from tests.dialect import DONE, error_event, event, stream
from tests.fakes import Gate, Script, Silence
from tests.relay.broken import LOST, ask, breaks, chunks, rig, text
from tests.relay.rig import SSE, Rig, Seen, fails, says
from tests.values import chat
from tproxy.core import failures
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.model import Patience, Routing
from tproxy.core.upstream import Broken, Usage
from tproxy.core.windows import Window


def told(rig: Rig, number: int) -> Any:
    return json.loads(rig.transport.requests[number].body)


def test_another_goes_on_from_what_was_delivered() -> None:
    stage = rig(breaks("Once", " upon"), says(" a time"))

    seen = ask(stage)

    assert text(seen) == "Once upon a time"
    assert seen.text.startswith(b"".join(stream("Once", " upon")[:3]))
    assert seen.text.endswith(DONE)
    assert seen.text.count(DONE) == 1
    assert told(stage, 1)["messages"][1:] == [
        {"role": "assistant", "content": "Once upon"}
    ]
    assert chunks(seen)[-1]["x_tproxy"] == {"resumed": [{"model": "b", "at": 9}]}


def test_it_stays_the_answer_of_the_first() -> None:
    stage = rig(breaks("Once"), says(" upon"))

    seen = ask(stage)

    assert seen.answer is not None
    assert seen.answer.model.name == "a"
    assert {said["id"] for said in chunks(seen)} == {"c"}
    assert stage.trail.model is not None
    assert stage.trail.model.name == "a"
    assert stage.trail.reason == "category SMALL; priority 0; resumed by b"
    assert (stage.trail.resumed, stage.trail.broken) == (1, None)
    attempts = [(one.model, one.outcome) for one in stage.trail.attempts]
    assert attempts == [("a", "lost"), ("b", "answered")]


@pytest.mark.parametrize(
    "by",
    [
        LOST,
        Broken(failures.SILENCE, ""),
        b"",
        error_event("no more"),
        error_event("no more") + DONE,
        b"data: {nonsense}\n\n",
        event(finish="error"),
    ],
)
def test_whatever_breaks_it(by: bytes | Broken) -> None:
    assert text(ask(rig(breaks("Once", by=by), says(" upon")))) == "Once upon"


def test_half_an_event_is_no_part_of_it() -> None:
    half = event(" time")[:-12]

    assert text(ask(rig(breaks("Once", by=half), says(" upon")))) == "Once upon"


def test_an_event_without_its_blank_line_is_ended_first() -> None:
    first = Script([event("Once"), event(" upon")[:-2]], headers=SSE)

    assert text(ask(rig(first, says(" a time")))) == "Once upon a time"


@pytest.mark.parametrize(
    ("stage", "asked"),
    [
        (rig(breaks("Once"), says(" upon"), resume=False), ["a"]),
        (rig(breaks("Once"), says(" upon"), able=""), ["a"]),
        (rig(breaks("Once"), fails(500)), ["a", "b"]),
        (rig(breaks("Once"), fails(400)), ["a", "b"]),
        (rig(breaks("Once"), says("Once upon")), ["a", "b"]),
        (rig(breaks("Once"), LOST, breaks()), ["a", "b", "c"]),
    ],
)
def test_where_nobody_goes_on_one_error_ends_it(stage: Rig, asked: list[str]) -> None:
    seen = ask(stage)

    assert stage.asked == asked
    assert text(seen) == "Once"
    errors = [said["error"]["message"] for said in chunks(seen) if "error" in said]
    assert errors == ["a: the connection was lost before an answer."]
    assert DONE not in seen.text
    assert stage.trail.broken == "upstream_error"


def test_what_others_would_refuse_as_well_is_not_put_to_them() -> None:
    filtered = error_event("filtered", "content_filter")
    stage = rig(breaks("Once", by=filtered), says(" upon"))

    assert text(ask(stage)) == "Once"
    assert (stage.asked, stage.outcomes) == (["a"], [("a", "filtered")])


def test_an_answer_that_broke_after_its_end_is_not_gone_on_with() -> None:
    stage = rig(breaks("Once", by=event(finish="stop") + b"data: {"), says(" upon"))

    assert text(ask(stage)) == "Once"
    assert stage.asked == ["a"]


@pytest.mark.parametrize(
    "fields",
    [{"tools": [{"type": "function", "function": {"name": "f"}}]}, {"seed": 7}],
)
def test_only_who_wants_plain_text_may_get_it_from_two(
    fields: dict[str, object],
) -> None:
    stage = rig(breaks("Once"), says(" upon"))

    assert text(ask(stage, **fields)) == "Once"
    assert stage.asked == ["a"]


def test_thoughts_are_not_gone_on_with() -> None:
    thought = event("hm").replace(b"content", b"reasoning_content")
    stage = rig(Script([thought, event("Once"), LOST], headers=SSE), says(" upon"))

    ask(stage)

    assert stage.asked == ["a"]


def test_the_same_model_may_go_on_itself() -> None:
    stage = rig([breaks("Once"), says(" upon")], able="a")

    assert text(ask(stage, model="a")) == "Once upon"


def test_candidates_are_walked_as_for_any_request() -> None:
    stage = rig(breaks("Once"), fails(503), says("Once again"), says(" upon"))

    assert text(ask(stage)) == "Once upon"
    assert stage.asked == ["a", "b", "c", "d"]
    assert stage.outcomes[1:3] == [("b", "overloaded"), ("c", "unjoined")]


def test_an_answer_is_gone_on_with_twice_and_no_more() -> None:
    stage = rig(breaks("One"), [breaks(" two"), breaks(" three"), says(" four")])

    seen = ask(stage)

    assert text(seen) == "One two three"
    assert "error" in chunks(seen)[-1]
    assert [one["content"] for one in told(stage, 2)["messages"]] == [
        "Hello",
        "One two",
    ]


def test_all_who_went_on_are_told_at_the_end() -> None:
    stage = rig(breaks("One"), [breaks(" two"), LOST], says(" three"))

    seen = ask(stage)

    assert text(seen) == "One two three"
    assert [said["x_tproxy"] for said in chunks(seen) if "x_tproxy" in said] == [
        {"resumed": [{"model": "b", "at": 3}, {"model": "c", "at": 7}]}
    ]
    assert stage.trail.reason.endswith("; resumed by b; resumed by c")
    assert stage.trail.resumed == 2


def usage(prompt: int, completion: int) -> bytes:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: %b\n\n" % json.dumps({"choices": [], "usage": counts}).encode()


def test_usage_is_summed_for_the_client() -> None:
    rest = [event(" upon"), event(finish="stop"), usage(30, 4), DONE]
    stage = rig(breaks("Once" * 10, by=usage(20, 3)), Script(rest, headers=SSE))

    seen = ask(stage, stream_options={"include_usage": True})

    both = {"prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57}
    assert chunks(seen)[-1]["usage"] == both
    assert "x_tproxy" not in chunks(seen)[-1]
    assert stage.trail.usage == Usage(50, 7)


def test_each_quota_pays_for_its_own_part() -> None:
    rest = [event(" upon"), event(finish="stop"), usage(30, 4), DONE]
    stage = rig(breaks("Once" * 10, by=usage(20, 3)), Script(rest, headers=SSE))
    tokens = Limit(Unit.TOKENS, 1_000_000, Window(60.0))
    stage.models = tuple(
        attrs.evolve(one, budgets=(Budget(f"quota of {one.name}", (tokens,)),))
        for one in stage.models
    )

    seen = ask(stage)

    assert stage.quotas.settled == ["quota of a", "quota of b"]
    costs = [None if cost is None else cost.tokens for cost in stage.quotas.costs]
    assert costs == [23, 34]
    assert stage.trail.usage == Usage(50, 7)
    assert b"usage" not in seen.text  # nobody asked for it but we


def test_usage_that_was_not_told_before_the_break_is_estimated() -> None:
    rest = [event(" upon"), event(finish="stop"), usage(30, 4), DONE]
    stage = rig(breaks("Once" * 10), Script(rest, headers=SSE))

    seen = ask(stage)

    assert chunks(seen)[-1]["x_tproxy"] == {"usage": "estimated"}
    assert stage.trail.usage == Usage(30 + 2, 4 + 10)  # four bytes a token


def test_searches_have_the_time_that_the_first_one_left() -> None:
    """Not a moment of it passes while somebody speaks."""
    slow = Script([event("Once"), LOST], headers=SSE)
    stage = rig(slow, says(" upon"), routing=Routing(deadline_seconds=20.0))

    async def test() -> Seen:
        seen = Seen([])
        wanted = chat("Hello", model="SMALL", stream=True)
        async with stage.answering(wanted) as seen.answer:
            assert seen.answer.begun.body is not None
            async for data in seen.answer.begun.body:
                seen.reads.append(data)
                await asyncio.sleep(15.0)
        return seen

    assert text(in_no_time(test())) == "Once upon"


def test_all_searches_together_have_no_more() -> None:
    """Of 20 s a silent model takes 15 first, and the last 5 when it is asked again."""
    stage = rig(
        breaks("One"),
        Silence(),
        [breaks(" two"), says(" three")],
        routing=Routing(deadline_seconds=20.0),
    )
    stage.patience = Patience(connect=3.0, first_byte=12.0)

    seen = ask(stage)

    assert text(seen) == "One two"
    assert stage.asked == ["a", "b", "c", "b"]


@pytest.mark.parametrize(
    ("by", "took"), [(LOST, Usage(2, 1)), (usage(20, 3), Usage(20, 3))]
)
@pytest.mark.parametrize("at", ["quotas.settle", "transport.open", "read 0"])
def test_a_client_that_leaves_meanwhile_takes_all_with_it(
    at: str, by: bytes | Broken, took: Usage
) -> None:
    """But what the first part took, which is in the log."""
    gate = Gate()
    stage = rig(breaks("Once", by=by), says(" upon"), gate=gate)

    async def test() -> None:
        wanted = chat("Hello", model="SMALL", stream=True)
        async with stage.answering(wanted) as answer:
            body = answer.begun.body
            assert body is not None
            assert b"Once" in await anext(body)
            gate.at = at
            going_on = asyncio.ensure_future(body.pour(Seen([]).out))
            await gate.reached.wait()
            going_on.cancel()
            await asyncio.gather(going_on, return_exceptions=True)
        assert not stage.transport.under_way

    in_no_time(test())
    assert (stage.trail.usage, stage.trail.broken) == (took, None)


def test_a_part_that_nobody_goes_on_with_is_known_with_those_before() -> None:
    first = Script([event(), event("One"), usage(20, 3), LOST], headers=SSE)
    stage = rig(first, [breaks(" two"), fails(500)])

    assert text(ask(stage)) == "One two"
    assert stage.trail.broken == "upstream_error"
    assert stage.trail.usage == Usage(20 + 2, 3 + 1)  # one told, one estimated
