"""What a model is told that is to go on with an answer, and for which chats it may."""

from __future__ import annotations

import json

import attrs
import pytest

from tests.values import chat, model
from tproxy.core import document
from tproxy.core.chat import ChatRequest
from tproxy.core.continuation import Before, Continuation, may_be_resumed
from tproxy.core.model import Capability, Prefill
from tproxy.core.upstream import Usage


def continued(text: str, **fields: object) -> Continuation:
    found = Continuation.of(chat(stream=True, **fields), Before(text))
    assert found is not None
    return found


def said(one: ChatRequest) -> dict[str, object]:
    """What would be sent; the positions that are kept have to be right for it."""
    sent = one.naming("m-1")
    assert document.parse(sent).values["model"] == "m-1"
    found = json.loads(sent)
    assert isinstance(found, dict)
    return found


ASKED = {"role": "user", "content": "Hello"}


@pytest.mark.parametrize(
    ("way", "marks", "fields"),
    [
        (Prefill.MESSAGE, {}, {}),
        (Prefill.PREFIX, {"prefix": True}, {}),
        (Prefill.ECHOED_PREFIX, {"prefix": True}, {}),
        (
            Prefill.CONTINUE_FINAL_MESSAGE,
            {},
            {"continue_final_message": True, "add_generation_prompt": False},
        ),
    ],
)
def test_the_text_is_the_last_message(
    way: Prefill, marks: dict[str, object], fields: dict[str, object]
) -> None:
    told = continued("Once upón", temperature=0).told_to(model(prefill=way))

    last = {"role": "assistant", "content": "Once upón", **marks}
    assert said(told) == {
        "model": "m-1",
        "messages": [ASKED, last],
        "stream": True,
        "temperature": 0,
        **fields,
    }


def test_white_space_at_the_end_is_not_told() -> None:
    one = continued("Once\n upon \n\t")

    assert (one.told, one.blank) == ("Once\n upon", " \n\t")
    messages = said(one.told_to(model(prefill=Prefill.MESSAGE)))["messages"]
    assert messages == [ASKED, {"role": "assistant", "content": "Once\n upon"}]


def test_it_is_weighed_with_the_text_and_needs_who_can_go_on() -> None:
    one = continued("für" * 100)

    assert one.needs == {Capability.PREFILL}
    assert one.text_bytes == len("Hello") + 400
    assert one.output_tokens is None


@pytest.mark.parametrize(("most", "left"), [(500, 400), (101, 1), (100, 1), (3, 1)])
@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_bound_on_the_answer_is_lowered_by_what_there_is(
    most: int, left: int, name: str
) -> None:
    one = continued("abcd" * 100, **{name: most})

    assert one.output_tokens == left
    assert said(one)[name] == left


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        (" \n", {}),
        ("Once" + 65 * " ", {}),
        ("Once\n", {"stop": "\n\n"}),
        ("Once upon EN", {"stop": ["x", "END"]}),
    ],
)
def test_from_some_texts_nobody_goes_on(text: str, fields: dict[str, object]) -> None:
    assert Continuation.of(chat(stream=True, **fields), Before(text)) is None


@pytest.mark.parametrize("stop", ["END", ["END", "\n\n"], None, [7]])
def test_a_stop_sequence_that_has_not_begun_is_no_obstacle(stop: object) -> None:
    assert continued("Once upon", stop=stop).told == "Once upon"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 1, "top_p": 0.5, "max_tokens": 7, "stop": ["x"], "user": "u"},
        {"stream_options": {"include_usage": True}, "n": 1, "tools": []},
        {"response_format": {"type": "text"}, "logprobs": False, "seed": None},
        {"tool_choice": "auto", "modalities": ["text"]},
    ],
)
def test_who_wants_one_plain_text_may_get_it_from_two(
    fields: dict[str, object],
) -> None:
    assert may_be_resumed(chat(stream=True, **fields), model())


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"functions": [{"name": "f"}]},
        {"tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        {"n": 2},
        {"logprobs": True},
        {"top_logprobs": 2},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "v"}},
        {"web_search_options": {}},
        {"reasoning_effort": "low"},
        {"seed": 7},
        {"guided_json": {}},
        {"messages": [ASKED, {"role": "assistant", "content": "Once"}]},
    ],
)
def test_who_wants_anything_else_may_not(fields: dict[str, object]) -> None:
    assert not may_be_resumed(chat(stream=True, **fields), model())


def test_the_names_of_who_went_on_add_up() -> None:
    once = Before("Once", spent=Usage(1, 2)).resumed_by("b")
    twice = attrs.evolve(once, text="Once upon").resumed_by("c")

    assert twice.resumed == ({"model": "b", "at": 4}, {"model": "c", "at": 9})
