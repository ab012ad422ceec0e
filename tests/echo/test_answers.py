import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.echo.validator import validate
from tproxy.echo.answers import Answer, answer
from tproxy.echo.errors import Refused

PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
WEATHER: Mapping[str, Any] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "days": {"type": "integer", "minimum": 3},
                "unit": {"enum": ["celsius", "kelvin"]},
                "note": {"type": "string"},
            },
            "required": ["city", "days", "unit"],
        },
    },
}
CLOCK: Mapping[str, Any] = {"type": "function", "function": {"name": "get_time"}}
SCRIPT: Mapping[str, Any] = {"type": "custom", "custom": {"name": "run"}}


def user(content: object) -> dict[str, object]:
    return {"role": "user", "content": content}


def called(*names: str) -> dict[str, object]:
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": n, "arguments": ""},
        }
        for n in names
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(name: str, content: object) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": f"call_{name}", "content": content}


def ask(*messages: Mapping[str, object] | str, **fields: object) -> Answer:
    said = [user(m) if isinstance(m, str) else m for m in messages]
    return answer({"model": "echo-small", "messages": said, **fields})


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        (["hello there"], "You said: hello there"),
        (["Привет, мир 👋🏽 ☕"], "You said: Привет, мир 👋🏽 ☕"),
        (["  two\n\n lines \n"], "You said:   two\n\n lines \n"),
        (["one", {"role": "assistant", "content": "1"}, "two"], "You said: two"),
        (["one", {"role": "assistant", "content": "1"}], "You said: one"),
        (
            [user([{"type": "text", "text": "Look:"}, PIXEL])],
            "You said: Look: [1 image]",
        ),
        ([user([PIXEL, PIXEL])], "You said: [2 images]"),
        (
            [
                user(
                    [
                        {"type": "text", "text": "a"},
                        {"type": "file", "file": {"file_id": "f"}},
                        {"type": "text", "text": "b"},
                        {"type": "input_audio", "input_audio": {"data": ""}},
                    ]
                )
            ],
            "You said: a\nb [1 file] [1 audio clip]",
        ),
        (
            [{"role": "system", "content": "Be kind."}],
            "Hello! Say something, and I will say it back.",
        ),
    ],
)
def test_the_last_user_message_is_echoed(messages: list[Any], text: str) -> None:
    reply = ask(*messages)

    assert reply.text == text
    assert (reply.tool, reply.finish) == (None, "stop")


@given(st.text())
def test_words_join_to_the_text(text: str) -> None:
    reply = ask(text)

    assert reply.text == f"You said: {text}" or not text
    assert len(reply.words) == len(reply.text.split())


def test_tokens_are_words() -> None:
    reply = ask({"role": "system", "content": "Be very kind."}, "hello there")

    assert reply.prompt_words == 5
    assert len(reply.words) == 4


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize(
    ("most", "text", "finish"),
    [
        (1, "You", "length"),
        (3, "You said: hello", "length"),
        (4, "You said: hello there", "stop"),
        (5, "You said: hello there", "stop"),
    ],
)
def test_a_limit_cuts_after_that_many_words(
    field: str, most: int, text: str, finish: str
) -> None:
    reply = ask("hello there", **{field: most})

    assert (reply.text, reply.finish) == (text, finish)


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("there", "You said: hello "),
        (["friend", "there"], "You said: hello "),
        (["unheard", ""], "You said: hello there friend"),
        ("You", ""),
    ],
)
def test_a_stop_sequence_ends_the_text(stop: object, text: str) -> None:
    reply = ask("hello there friend", stop=stop)

    assert (reply.text, reply.finish) == (text, "stop")


NAMED = {"type": "function", "function": {"name": "get_time"}}
LEGACY = [WEATHER["function"], CLOCK["function"]]


@pytest.mark.parametrize(
    ("fields", "name", "finish"),
    [
        ({"tools": [WEATHER, CLOCK]}, "get_weather", "tool_calls"),
        (
            {"tools": [WEATHER, CLOCK], "tool_choice": "auto"},
            "get_weather",
            "tool_calls",
        ),
        ({"tools": [WEATHER], "tool_choice": "required"}, "get_weather", "tool_calls"),
        ({"tools": [WEATHER, CLOCK], "tool_choice": NAMED}, "get_time", "tool_calls"),
        ({"tools": [WEATHER], "tool_choice": "none"}, None, "stop"),
        ({"tools": []}, None, "stop"),
        (
            {
                "tools": [WEATHER, CLOCK],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [NAMED]},
                },
            },
            "get_time",
            "tool_calls",
        ),
        ({"functions": LEGACY}, "get_weather", "function_call"),
        (
            {"functions": LEGACY, "function_call": {"name": "get_time"}},
            "get_time",
            "function_call",
        ),
        ({"functions": LEGACY, "function_call": "none"}, None, "stop"),
    ],
)
def test_a_user_message_makes_it_call_a_tool_it_may(
    fields: Mapping[str, Any], name: str | None, finish: str
) -> None:
    reply = ask("Oslo", **fields)

    assert (reply.tool and reply.tool.name) == name
    assert reply.finish == finish


def test_arguments_fit_the_tools_schema() -> None:
    reply = ask("Århus", tools=[WEATHER])

    assert reply.text == '{"city": "Århus", "days": 3, "unit": "celsius"}'
    parameters = WEATHER["function"]["parameters"]
    validate(json.loads(reply.text), parameters, parameters)


def test_arguments_are_an_object_whatever_the_schema_leaves_open() -> None:
    assert ask("Oslo", tools=[CLOCK]).text == "{}"


def test_a_custom_tool_is_passed_the_text() -> None:
    reply = ask("print(1)", tools=[SCRIPT], tool_choice="required")

    assert reply.text == "print(1)"


def test_a_limit_cuts_arguments_too() -> None:
    reply = ask("Oslo", tools=[WEATHER], max_tokens=2)

    assert (reply.text, reply.finish) == ('{"city": "Oslo",', "length")


def test_tool_results_are_answered_in_words() -> None:
    reply = ask(
        "Oslo",
        called("get_weather", "get_time"),
        result("get_weather", "sunny"),
        result("get_time", [{"type": "text", "text": "noon"}]),
        tools=[WEATHER, CLOCK],
    )

    assert reply.text == "get_weather said: sunny\nget_time said: noon"
    assert (reply.tool, reply.finish) == (None, "stop")


def test_the_result_of_a_forgotten_call_is_answered_as_well() -> None:
    assert ask("Oslo", result("get_weather", "sunny")).text == "The tool said: sunny"


def test_a_legacy_result_is_answered_in_words() -> None:
    last = {"role": "function", "name": "get_time", "content": "noon"}

    assert ask("Oslo", last, functions=LEGACY).text == "get_time said: noon"


def test_a_required_tool_is_called_after_a_result_too() -> None:
    reply = ask(
        "Oslo",
        called("get_time"),
        result("get_time", "noon"),
        tools=[CLOCK, WEATHER],
        tool_choice="required",
    )

    assert reply.tool
    assert reply.tool.name == "get_time"


def test_the_next_user_message_is_answered_with_a_call_again() -> None:
    turn = (called("get_time"), result("get_time", "noon"))

    assert ask("Oslo", *turn, "Rome", tools=[WEATHER]).text.startswith(
        '{"city": "Rome"'
    )


def test_a_json_object_holds_the_text() -> None:
    reply = ask('say "hi"', response_format={"type": "json_object"})

    assert json.loads(reply.text) == {"echo": 'say "hi"'}


def test_a_json_document_fits_the_clients_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
            "answer": {"type": "string"},
        },
        "required": ["steps", "answer"],
        "additionalProperties": False,
        "$defs": {
            "step": {
                "type": "object",
                "properties": {"n": {"type": "integer"}, "why": {"type": "string"}},
                "required": ["n", "why"],
                "additionalProperties": False,
            }
        },
    }

    described = {"name": "maths", "schema": schema, "strict": True}
    wanted = {"type": "json_schema", "json_schema": described}
    reply = ask("2 + 2", response_format=wanted)

    made = json.loads(reply.text)
    validate(made, schema, schema)
    assert made == {"steps": [{"n": 2, "why": "2 + 2"}], "answer": "2 + 2"}


def test_a_json_document_after_a_tool_result_is_made_of_it() -> None:
    reply = ask(
        "Oslo",
        called("get_time"),
        result("get_time", "noon"),
        tools=[CLOCK],
        response_format={"type": "json_object"},
    )

    assert json.loads(reply.text) == {"echo": "noon"}


def test_a_function_whose_schema_allows_nothing_is_refused() -> None:
    tool = {"name": "f", "parameters": {"type": "string"}}

    with pytest.raises(Refused) as refused:
        ask("hi", tools=[{"type": "function", "function": tool}])

    assert (
        refused.value.message
        == "Invalid schema for function 'f': it is not an object's."
    )
    assert refused.value.param == "tools[0].function.parameters"
    assert refused.value.code == "invalid_function_parameters"


def test_a_response_format_that_allows_nothing_is_refused() -> None:
    described = {"name": "f", "schema": {"$ref": "#/nowhere"}}

    with pytest.raises(Refused) as refused:
        ask("hi", response_format={"type": "json_schema", "json_schema": described})

    assert refused.value.message == (
        "Invalid schema for response_format 'f': the reference '#/nowhere' points "
        "nowhere."
    )
    assert refused.value.param == "response_format"


_FIELDS = """messages tools tool_choice functions function_call response_format stop n
    max_tokens stream stream_options"""
_NAMES = "role content type text function name parameters id tool_calls json_schema"
_WORDS = "user tool function text json_object json_schema required allowed_tools"
_nonsense = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from([0, 1, *_WORDS.split()]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_NAMES.split()), inner)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(_FIELDS.split()), _nonsense))
def test_nonsense_is_answered_or_refused(body: dict[str, object]) -> None:
    with suppress(Refused):
        assert ask("hi", **body).choices >= 1
