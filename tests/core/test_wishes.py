from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat, model
from tproxy.core import failures, wishes
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.wishes import Named, Schema, Tool, Wishes

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
TOOL = {"type": "function", "function": FUNCTION}


def read(**fields: Any) -> Wishes:
    return wishes.read(chat(**fields))


def test_who_wants_nothing_gets_nothing() -> None:
    assert read() == Wishes(
        tools=(),
        tool_choice=None,
        parallel=None,
        form=None,
        stop=(),
        n=1,
        effort=None,
        temperature=None,
        top_p=None,
        top_k=None,
        presence_penalty=None,
        frequency_penalty=None,
        seed=None,
        include_usage=False,
    )


def test_nulls_are_nothing() -> None:
    fields = [f.name for f in Wishes.__attrs_attrs__]

    assert read(**dict.fromkeys([*fields, "functions", "stop"])) == read()


def test_numbers_are_as_they_were_sent() -> None:
    said = {"temperature": 0, "top_p": 0.5, "top_k": 40, "seed": -1, "n": 2}
    found = read(**said, presence_penalty=-2, frequency_penalty=1.5)

    assert {name: getattr(found, name) for name in said} == said
    assert repr(found.temperature) == "0"
    assert (found.presence_penalty, found.frequency_penalty) == (-2, 1.5)


def test_tools_are_read_with_their_paths() -> None:
    plain = {"type": "function", "function": {"name": "g"}}

    assert read(tools=[TOOL, plain]).tools == (
        Tool("f", "d", SCHEMA, True, "tools[0].function"),
        Tool("g", "", None, False, "tools[1].function"),
    )
    assert read(functions=[FUNCTION]).tools == (
        Tool("f", "d", SCHEMA, True, "functions[0]"),
    )


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ({"tool_choice": "auto"}, "auto"),
        ({"tool_choice": "none"}, "none"),
        ({"tool_choice": "required"}, "required"),
        ({"tool_choice": "any"}, "required"),
        ({"tool_choice": {"type": "auto"}}, "auto"),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, Named("f")),
        ({"function_call": "auto"}, "auto"),
        ({"function_call": {"name": "f"}}, Named("f")),
    ],
)
def test_a_tool_is_chosen(said: dict[str, Any], choice: object) -> None:
    assert read(**said).tool_choice == choice


def test_an_answer_may_have_a_form() -> None:
    inner = {"name": "n", "schema": SCHEMA, "strict": True}
    form = {"type": "json_schema", "json_schema": inner}
    path = "response_format.json_schema.schema"

    assert read(response_format=form).form == Schema("n", SCHEMA, True, path)
    form = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
    assert read(response_format=form).form == Schema("answer", SCHEMA, False, path)
    assert read(response_format={"type": "json_object"}).form == "json"
    assert read(response_format={"type": "text"}).form is None


def test_a_stop_is_a_word_or_several() -> None:
    assert read(stop="a").stop == ("a",)
    assert read(stop=["a", "b"]).stop == ("a", "b")


def test_effort_has_two_names() -> None:
    assert read(reasoning_effort="low").effort == "low"
    assert read(reasoning={"effort": "high"}).effort == "high"
    assert read(reasoning={"effort": "high"}, reasoning_effort="low").effort == "low"


def test_usage_is_asked_for() -> None:
    assert read(stream=True, stream_options={"include_usage": True}).include_usage
    assert not read(stream=True, stream_options={"include_usage": 1}).include_usage


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].type"),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
        ),
        (
            {"tools": [{"function": {"name": "f", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"functions": [{}]}, "functions[0].name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": []}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema.schema",
        ),
        ({"stop": 1}, "stop"),
        ({"stop": ["a", 1]}, "stop"),
        ({"n": 0}, "n"),
        ({"n": -1}, "n"),
        ({"n": True}, "n"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"seed": 1.5}, "seed"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_what_is_of_the_wrong_form_is_told_by_its_path(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)

    assert caught.value.param == param
    assert caught.value.message.startswith(f"{param} ")


MODEL = model("a")


def test_hints_that_a_dialect_has_no_words_for_are_named() -> None:
    said = chat(seed=1, temperature=0.5, user="u", metadata=None, max_tokens=5)

    assert wishes.unsaid(said, ("temperature",), MODEL) == ("seed", "user")


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": []},
        {"tool_choice": "auto"},
        {"tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"n": 1},
        {"logprobs": False},
        {"modalities": ["text"]},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"max_completion_tokens": 5},
    ],
)
def test_what_asks_for_nothing_is_said_by_every_dialect(fields: dict[str, Any]) -> None:
    assert wishes.unsaid(chat(**fields), (), MODEL) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [TOOL]},
        {"functions": [FUNCTION]},
        {"tool_choice": "required"},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "a"}},
        {"web_search_options": {}},
    ],
)
def test_what_carries_meaning_is_not_dropped(fields: dict[str, Any]) -> None:
    [name] = fields

    with pytest.raises(UpstreamFailed) as caught:
        wishes.unsaid(chat(**fields), (), MODEL)
    assert caught.value.failure is failures.UNSUPPORTED
    assert caught.value.param == name
    assert caught.value.model == "a"
    assert wishes.unsaid(chat(**fields), (name,), MODEL) == ()


def test_what_is_unsupported_is_told_with_its_path_and_problem() -> None:
    plain = wishes.unsupported(MODEL, "messages[0]")
    told = wishes.unsupported(MODEL, "messages[0]", "no pictures")

    assert plain.message == "a: this model's provider has no words for it: messages[0]."
    assert told.message.endswith("for it: messages[0] (no pictures).")


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*wishes._MEANING, "stop", "seed"]), _JSON))
def test_no_wish_is_a_surprise(fields: dict[str, Any]) -> None:
    with suppress(InvalidRequest):
        assert read(**fields).n >= 1
