"""What is known of an answer that a client has, from the bytes that it was sent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialect import DONE, event
from tproxy.core import delivered
from tproxy.core.delivered import Chunk, Delivered


def chunk(**fields: object) -> bytes:
    return b"data: %b\n\n" % json.dumps(fields).encode()


def delta(index: int = 0, **fields: object) -> bytes:
    return chunk(choices=[{"index": index, "delta": fields, "finish_reason": None}])


def after(*events: bytes) -> Delivered:
    found = Delivered()
    for each in events:
        found.take(each)
    return found


def test_the_head_is_that_of_what_is_said() -> None:
    choices = [{"index": 0, "delta": {"content": "Once"}}]
    first = chunk(id="1", created=7, model="m", choices=choices, obfuscation="x")

    found = after(chunk(id="", choices=[]) + first, b": working\n\n", event(""))

    assert found.text == "Once"
    assert found.head == {"id": "1", "created": 7, "model": "m"}


@pytest.mark.parametrize(
    "also",
    [
        delta(content=" b", refusal=None, tool_calls=[], reasoning=""),
        delta(content=" b", token_id=7, channel="final"),
        delta(role="assistant", content=" b"),
        event(" b").replace(b"\n\n", b"\r\n\r\n"),
        event(" b").removesuffix(b"\n\n"),
        delta(content=" b").replace(b'"index": 0, ', b""),
        chunk(choices=[], usage={"prompt_tokens": 1}) + event(" b"),
    ],
)
def test_what_says_nothing_more_than_a_text(also: bytes) -> None:
    assert after(event("a"), also).text == "a b"


@pytest.mark.parametrize(
    "also",
    [
        event(finish="stop"),
        DONE,
        delta(reasoning_content="hm"),
        delta(reasoning="hm"),
        delta(tool_calls=[{"index": 0}]),
        delta(function_call={"name": "f"}),
        delta(refusal="no"),
        delta(audio={"id": "1"}),
        delta(content=[{"type": "text", "text": "b"}]),
        delta(1, content="b"),
        chunk(choices=[{"index": 0, "delta": {"content": "b"}, "logprobs": {"a": 1}}]),
        chunk(choices=[{"index": 0, "delta": "b"}]),
        chunk(choices=["b"]),
        chunk(choices=None),
        chunk(choices=[], error={"message": "b"}),
        b"data: [[[[\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b"data: 7\n\n",
        chunk(choices=[{"index": 0, "delta": {"content": "\ud83d"}}]),
    ],
)
def test_nobody_goes_on_from_an_end_or_from_more_than_a_text(also: bytes) -> None:
    found = after(event("a"), also)

    assert found.text is None
    found.take(event("c"))
    assert found.text is None


def test_a_character_in_two_halves_is_one() -> None:
    text = after(*(delta(content=half) for half in ("a\ud83d", "\ude00"))).text

    assert text == "a\N{GRINNING FACE}"


def test_a_text_is_kept_up_to_a_bound() -> None:
    found = after(event("a" * delivered.LONGEST))

    assert found.text is not None
    found.take(event("a"))
    assert found.text is None


@given(st.lists(st.text()))
def test_no_character_is_lost(texts: list[str]) -> None:
    assert after(*(delta(content=text) for text in texts)).text == "".join(texts)


def test_usage_is_read_where_it_is_told() -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 10**400, "total_tokens": 3}

    said = Chunk.read(json.dumps({"choices": [], "usage": usage}).encode())

    assert said is not None
    assert said.usage is not None
    assert (said.usage.prompt, said.usage.completion) == (3, 0)
