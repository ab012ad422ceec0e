from __future__ import annotations

from typing import Any

import pytest

from tests.providers.gigachat import MODEL, MODEL_V2
from tests.providers.gigachat.asking import WEATHER, build, refused, sent
from tests.values import chat
from tproxy.core.model import Model

TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Tells it", "parameters": WEATHER},
}
OTHER = {"type": "function", "function": {"name": "clock"}}
FUNCTIONS = [
    {"name": "weather", "description": "Tells it", "parameters": WEATHER},
    {"name": "clock", "parameters": {"type": "object", "properties": {}}},
]


# Functions


@pytest.mark.parametrize(
    ("choice", "v1", "v2"),
    [
        (None, "auto", {"mode": "auto"}),
        ("auto", "auto", {"mode": "auto"}),
        ("none", "none", {"mode": "none"}),
        (
            {"type": "function", "function": {"name": "clock"}},
            {"name": "clock"},
            {"mode": "forced", "function_name": "clock"},
        ),
    ],
)
def test_functions_are_described_and_chosen(
    choice: object, v1: object, v2: object
) -> None:
    first = sent(tools=[TOOL, OTHER], tool_choice=choice)
    second = sent(MODEL_V2, tools=[TOOL, OTHER], tool_choice=choice)

    assert first["functions"] == FUNCTIONS
    assert first["function_call"] == v1
    assert second["tools"] == [{"functions": {"specifications": FUNCTIONS}}]
    assert second["tool_config"] == v2


def test_the_only_function_can_be_required() -> None:
    said = sent(tools=[TOOL], tool_choice="required")

    assert said["function_call"] == {"name": "weather"}


def test_the_older_functions_are_understood() -> None:
    said = sent(functions=[TOOL["function"]], function_call={"name": "weather"})

    assert said["functions"] == FUNCTIONS[:1]
    assert said["function_call"] == {"name": "weather"}


@pytest.mark.parametrize("model", [MODEL, MODEL_V2], ids=["v1", "v2"])
@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_without_functions_none_can_run(choice: object, model: Model) -> None:
    said = sent(model, tools=[], tool_choice=choice)

    assert said.keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL, OTHER], "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "function", "function": {"name": "x"}},
            },
            "tool_choice",
        ),
        (
            {"functions": [{"name": "a-b"}, {"name": "c"}, {"name": "a_b"}]},
            "functions[2].name",
        ),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"audio": {"voice": "a"}}, "audio"),
    ],
)
def test_what_cannot_be_said_and_matters_is_refused(
    fields: dict[str, object], param: str
) -> None:
    assert refused(chat(**fields)).param == param


# Options


def test_options_are_told_in_their_own_words() -> None:
    fields: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 7,
        "repetition_penalty": 1.1,
        "update_interval": 1,
        "parallel_tool_calls": False,
    }
    told = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "repetition_penalty": 1.1,
        "update_interval": 1,
    }

    said = sent(**fields)

    assert {name: said[name] for name in told} == told
    assert said.keys() == {"model", "messages", *told}
    assert sent(MODEL_V2, **fields)["model_options"] == told
    assert build(chat(**fields)).dropped == ()


def test_zero_is_no_temperature_but_nearly_zero_is() -> None:
    assert sent(temperature=0)["temperature"] == 0.001


def test_fields_of_its_own_go_through() -> None:
    own: dict[str, Any] = {"profanity_check": False, "flags": ["a"]}

    said = sent(**own)

    assert {name: said[name] for name in own} == own
    assert sent(MODEL_V2, **own)["disable_filter"] is True
    assert sent(MODEL_V2, **own)["flags"] == ["a"]


@pytest.mark.parametrize(
    ("effort", "told"),
    [
        ("none", None),
        ("minimal", "low"),
        ("low", "low"),
        ("medium", "medium"),
        ("high", "high"),
        ("xhigh", "high"),
    ],
)
def test_effort_is_told_within_its_scale(effort: str, told: str | None) -> None:
    first = sent(reasoning_effort=effort)
    second = sent(MODEL_V2, reasoning_effort=effort)

    assert first.get("reasoning_effort") == told
    options = second.get("model_options", {})
    assert options.get("reasoning", {}).get("effort") == told


@pytest.mark.parametrize(("strict", "more"), [(True, {"strict": True}), (False, {})])
def test_a_schema_stands_in_the_format_itself(
    strict: bool, more: dict[str, object]
) -> None:
    inner = {"name": "w", "schema": WEATHER, "strict": strict}
    form = {"type": "json_schema", "json_schema": inner}
    told = {"type": "json_schema", "schema": WEATHER, **more}

    assert sent(response_format=form)["response_format"] == told
    options = sent(MODEL_V2, response_format=form)["model_options"]
    assert options == {"response_format": told}
