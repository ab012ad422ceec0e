from collections.abc import Mapping

import pytest

from tproxy.echo.errors import Refused
from tproxy.echo.question import Question

HI: Mapping[str, object] = {"role": "user", "content": "hi"}
CHAT: Mapping[str, object] = {"model": "echo-small", "messages": [HI]}
TOOLS: Mapping[str, object] = {
    "tools": [{"type": "function", "function": {"name": "look"}}]
}


def say(**message: object) -> dict[str, object]:
    return {"messages": [message]}


def refusal(change: Mapping[str, object]) -> tuple[str, str | None, str | None]:
    """The message, param and code that a change of a good request is refused with."""
    with pytest.raises(Refused) as refused:
        Question.read({**CHAT, **change})

    error = refused.value
    assert (error.status, error.type) == (400, "invalid_request_error")
    return error.message, error.param, error.code


@pytest.mark.parametrize(
    ("change", "path", "expected", "got"),
    [
        ({"model": 4}, "model", "a string", "an integer"),
        ({"messages": "hi"}, "messages", "an array of objects", "a string"),
        ({"messages": [HI, 1.5]}, "messages[1]", "an object", "a decimal"),
        (
            say(role="user", content={"type": "text"}),
            "messages[0].content",
            "one of a string or array of objects",
            "an object",
        ),
        ({"stream": "yes"}, "stream", "a boolean", "a string"),
        ({"max_tokens": True}, "max_tokens", "an integer", "a boolean"),
        ({"stop": ["", 1]}, "stop", "one of a string or array of strings", "an array"),
        ({"tools": {}}, "tools", "an array of objects", "an object"),
        (
            {**TOOLS, "tool_choice": 1},
            "tool_choice",
            "one of a string or object",
            "an integer",
        ),
        ({"response_format": "text"}, "response_format", "an object", "a string"),
    ],
)
def test_a_wrong_type_is_refused(
    change: Mapping[str, object], path: str, expected: str, got: str
) -> None:
    message = f"Invalid type for '{path}': expected {expected}, but got {got} instead."

    assert refusal(change) == (message, path, "invalid_type")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"messages": None}, "messages"),
        (say(content="hi"), "messages[0].role"),
        (
            say(role="user", content=[{"type": "image_url"}]),
            "messages[0].content[0].image_url",
        ),
        (say(role="tool", content="hi"), "messages[0].tool_call_id"),
        (say(role="function", content="hi"), "messages[0].name"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {}}},
            "response_format.json_schema.name",
        ),
    ],
)
def test_a_missing_field_is_refused(change: Mapping[str, object], path: str) -> None:
    message = f"Missing required parameter: '{path}'."

    assert refusal(change) == (message, path, "missing_required_parameter")


@pytest.mark.parametrize(
    ("change", "path", "value", "supported"),
    [
        (
            say(role="robot", content="hi"),
            "messages[0].role",
            "robot",
            "'system', 'assistant', 'user', 'function', 'tool', and 'developer'",
        ),
        (
            say(role="user", content=[{"type": "video"}]),
            "messages[0].content[0].type",
            "video",
            "'text', 'refusal', 'image_url', 'input_audio', and 'file'",
        ),
        (
            {"response_format": {"type": "xml"}},
            "response_format.type",
            "xml",
            "'text', 'json_object', and 'json_schema'",
        ),
        (
            {"tools": [{"type": "retrieval"}]},
            "tools[0].type",
            "retrieval",
            "'function' and 'custom'",
        ),
        (
            {**TOOLS, "tool_choice": "always"},
            "tool_choice",
            "always",
            "'none', 'auto', and 'required'",
        ),
        (
            {**TOOLS, "tool_choice": {"type": "any"}},
            "tool_choice.type",
            "any",
            "'function', 'custom', and 'allowed_tools'",
        ),
    ],
)
def test_an_unheard_of_value_is_refused(
    change: Mapping[str, object], path: str, value: str, supported: str
) -> None:
    message = f"Invalid value: '{value}'. Supported values are: {supported}."

    assert refusal(change) == (message, path, "invalid_value")


@pytest.mark.parametrize(
    ("change", "message", "param", "code"),
    [
        ({"model": None}, "you must provide a model parameter", None, None),
        (
            {"messages": []},
            (
                "Invalid 'messages': empty array. Expected an array with minimum length"
                " 1, but got an empty array instead."
            ),
            "messages",
            "empty_array",
        ),
        (
            say(role="user", content=None),
            "Invalid value for 'content': expected a string, got null.",
            "messages[0].content",
            None,
        ),
        (
            {"stream_options": {"include_usage": True}},
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            "stream_options",
            None,
        ),
        (
            {"n": 129},
            (
                "Invalid 'n': integer above maximum value. Expected a value <= 128, but"
                " got 129 instead."
            ),
            "n",
            "integer_above_max_value",
        ),
        (
            {"max_completion_tokens": 0},
            (
                "Invalid 'max_completion_tokens': integer below minimum value. Expected"
                " a value >= 1, but got 0 instead."
            ),
            "max_completion_tokens",
            "integer_below_min_value",
        ),
        (
            {"max_tokens": 1, "max_completion_tokens": 1},
            (
                "Setting 'max_tokens' and 'max_completion_tokens' at the same time is"
                " not supported."
            ),
            "max_tokens",
            "invalid_parameter_combination",
        ),
        (
            {"stop": ["a", "b", "c", "d", "e"]},
            (
                "Invalid 'stop': array too long. Expected an array with maximum length"
                " 4, but got an array with length 5 instead."
            ),
            "stop",
            "array_above_max_length",
        ),
        (
            {"tool_choice": "auto"},
            (
                "Invalid value for 'tool_choice': 'tool_choice' is only allowed when"
                " 'tools' are specified."
            ),
            "tool_choice",
            None,
        ),
        (
            {**TOOLS, "tool_choice": {"type": "function", "function": {"name": "go"}}},
            "Tool choice 'go' not found in 'tools' parameter.",
            "tool_choice",
            None,
        ),
        (
            {"function_call": {"name": "go"}},
            (
                "Invalid value for 'function_call': 'function_call' is only allowed"
                " when 'functions' are specified."
            ),
            "function_call",
            None,
        ),
    ],
)
def test_what_else_openai_refuses_is_refused(
    change: Mapping[str, object], message: str, param: str | None, code: str | None
) -> None:
    assert refusal(change) == (message, param, code)


def test_a_refusal_is_told_in_openais_envelope() -> None:
    error = Refused(message="no", param="n")

    told = {"message": "no", "type": "invalid_request_error", "param": "n"}
    assert error.envelope == {"error": {**told, "code": None}}
    assert str(error) == "no"


def test_null_is_the_same_as_absent() -> None:
    optional = (
        "n stream stream_options stop max_tokens max_completion_tokens temperature"
        " tools tool_choice functions function_call response_format"
    )
    nulls = dict.fromkeys(optional.split())

    assert Question.read({**CHAT, **nulls}) == Question.read(CHAT)


def test_what_was_said_is_kept_out_of_reprs() -> None:
    secret = say(role="user", content="my secret") | {
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "parameters": {"description": "my secret"}},
            }
        ]
    }

    assert "secret" not in repr(Question.read({**CHAT, **secret}))
