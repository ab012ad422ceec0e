"""Streams in OpenAI's fields: heads, ends, and what is none."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.shaped.telling import (
    EVENTS,
    MODEL,
    NORMAL,
    SAYS,
    chunk,
    fed,
    function,
)
from tests.values import chat
from tproxy.contract import openai, outcome

_NAMES = """
    content text refusal reasoning thinking function_call function name id arguments
    index tool_calls audio images image_url url extra_content
""".split()  # noqa: SIM905 - they read better as words


def test_a_stream_tells_one_head_and_nothing_empty() -> None:
    read_ = fed(
        {"id": "", "created": 0, "model": "", "choices": [], "prompt_filter": 1},
        chunk({"role": "assistant", "content": ""}, id="gen-1", created=7),
        chunk({"role": "assistant", "content": "Hi"}, id="gen-1", created=7),
        chunk({"content": "!"}, id="gen-2", created=8, system_fingerprint="x"),
        chunk({"content": ""}, "stop"),
        chunk({"content": ""}, "stop", usage={"prompt_tokens": 1}),
        usage=False,
    )

    told = [json.loads(event[6:]) for event in read_.output.split(b"\n\n")[:-2]]
    assert {(said["id"], said["created"]) for said in told} == {("gen-1", 7)}
    assert [said["choices"][0]["delta"] for said in told] == [
        {"role": "assistant", "content": "Hi"},
        {"content": "!"},
        {},
    ]


def test_usage_is_told_once_where_it_is_asked_for() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2}
    chunks = (chunk({"content": "Hi"}), chunk({}, "stop", x_groq={"usage": counts}))

    asked, unasked = (fed(*chunks, usage=usage) for usage in (True, False))

    assert openai.check_stream(asked.output, usage=True).usage == {
        **counts,
        "total_tokens": 3,
    }
    openai.check_stream(unasked.output, usage=False)


def test_a_stream_without_an_end_mark_gets_one() -> None:
    openai.check_stream(fed(chunk({"content": "Hi"}, "stop"), done=False).output)


def test_the_end_is_told_when_it_comes() -> None:
    """Not when the provider hangs up."""
    reader = NORMAL.chat.stream_reader(EVENTS, chat(stream=True), MODEL)
    reader.feed(b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n')

    assert reader.feed(b"data: [DONE]\n\n").endswith(openai.DONE)
    assert reader.feed(b'data: {"choices":[{"delta":{"content":"!"}}]}\n\n') == b""
    assert reader.feed(b'data: {"error":{"message":"Late."}}\n\n') == b""
    assert (reader.close(), reader.failure) == (b"", None)


@pytest.mark.parametrize(
    "bad",
    [
        b'data: {"choices": [{"delta": {"content": "x"}}], oops}\n\n',
        b'data: {"choices": [{"delta": {"audio": {"data": NaN}}}]}\n\n',
        b'data: {"choices": [{"delta": {"tool_calls": [{"function": CALL}]}}]}\n\n',
    ],
)
def test_a_stream_ends_at_what_cannot_be_told(bad: bytes) -> None:
    good = b'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\n'
    bad = bad.replace(b"CALL", b'{"arguments": "x"}')
    before = outcome.fed(NORMAL, EVENTS, [good], MODEL).output

    read_ = outcome.fed(NORMAL, EVENTS, [good, bad, good], MODEL)

    assert (read_.verdict, read_.output) == ("malformed", before)


def test_who_has_nothing_to_say_ends_beside_one_who_was_cut_short() -> None:
    ends = [{"index": i, "finish_reason": w} for i, w in enumerate(("stop", "length"))]

    choices = openai.check_broken_stream(fed({"choices": ends}).output[:-14]).choices

    assert [choice.finish for choice in choices] == ["stop", "length"]


def test_no_stream_has_choices_without_end() -> None:
    chunks = ({"choices": [{"index": i, "delta": SAYS}]} for i in range(129))

    assert fed(*chunks).verdict == "malformed"


def test_choices_are_numbered_as_they_are_told() -> None:
    """Whatever their providers number them by, and whoever is named first."""
    begins: object = {"choices": [{"index": i, "delta": {}} for i in (3, -1)]}
    says = [{"index": i, "delta": {"content": w}} for i, w in ((-1, "a"), (3, "b"))]
    numbered = fed(begins, {"choices": says})
    unnumbered = fed({"choices": [{"delta": one["delta"]} for one in says]})

    for read_ in (numbered, unnumbered):
        choices = openai.check_stream(read_.output).choices
        assert [choice.text for choice in choices] == ["a", "b"]


def test_what_each_chunk_repeats_is_short() -> None:
    """Else a few bytes of a provider would make megabytes."""
    long = "x" * 10_000
    chunks = [chunk({"content": "a"}, id=long, system_fingerprint=long)] * 2

    assert len(fed(*chunks).output) < 5_000


def test_ids_of_calls_are_bounded_together() -> None:
    calls = [{"id": f"{i}" * 100_000, **function("f", "{}")} for i in range(3)]

    chunks = [chunk({"tool_calls": [call]}) for call in calls]

    assert [fed(*chunks[:n]).verdict for n in (2, 3)] == ["", "malformed"]


_ANY = st.recursive(
    st.sampled_from(
        [None, True, -1, 7, 1.5, 10**400, math.nan, "", "a", "\ud800", "{}"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(_NAMES), _ANY), max_size=3), _ANY)
def test_whatever_comes_is_told_right_or_not_at_all(
    deltas: list[object], odd: object
) -> None:
    chunks = [chunk(delta, usage=odd, id=odd) for delta in deltas]

    read_ = fed(*chunks, chunk({"audio": odd}, odd))

    check = openai.check_broken_stream if read_.failure else openai.check_stream
    check(read_.output, wild=True)
