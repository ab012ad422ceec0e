"""Calls of tools, as providers tell them, in OpenAI's fields."""

from __future__ import annotations

import pytest

from tests.providers.shaped.telling import chunk, fed, function, told
from tproxy.contract import openai


def calling(*parts: object) -> list[tuple[str, str, str]]:
    """Ids, names and arguments of the calls that come in these parts."""
    chunks = [chunk({"tool_calls": [part]}) for part in parts]
    stream = openai.check_stream(fed(*chunks, chunk({}, "stop")).output)
    assert stream.choices[0].finish == "tool_calls"
    return [(call.id, call.name, call.arguments) for call in stream.choices[0].calls]


@pytest.mark.parametrize("word", ["tool_use", "stop", "tool_calls", "function_call"])
def test_who_calls_a_tool_finishes_for_it(word: str) -> None:
    choice = told({"tool_calls": [{"id": "c", **function("f", None)}]}, word)

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]


def test_a_call_of_old_is_one_still() -> None:
    old = {"name": "f", "arguments": "{}"}
    parts = ({"function_call": {name: old[name]}} for name in old)

    stream = fed(*map(chunk, parts), chunk({}, "function_call"))

    choice = told({"content": None, "function_call": old}, "stop")
    assert choice["message"]["function_call"] == old
    assert choice["finish_reason"] == "function_call"
    assert openai.check_stream(stream.output).choices[0].finish == "function_call"


def test_arguments_may_come_as_an_object() -> None:
    choice = told({"tool_calls": [{"id": "c", **function("f", {"a": 1})}]})

    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert calling({"index": 0, **function("f", {"a": 1})})[0][2] == '{"a":1}'


ONE, TWO = "call_req_contract_0", "call_req_contract_1"


@pytest.mark.parametrize(
    ("parts", "calls"),
    [
        (  # each part tells all
            [
                {"index": 0, "id": "a", "type": "function", **function("f", "{")},
                {"index": 0, "id": "a", "type": "function", **function("f", "}")},
            ],
            [("a", "f", "{}")],
        ),
        (  # no ids, and one index for all
            [{"index": 0, **function("f", "{}")}, {"index": 0, **function("g", "{}")}],
            [(ONE, "f", "{}"), (TWO, "g", "{}")],
        ),
        (  # ids, and one index for all
            [
                {"index": 0, "id": "a", **function("f", "{}")},
                {"index": 0, "id": "b", **function("g", "{}")},
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        (  # no indexes
            [{"id": "a", **function("f", "{")}, function(None, "}")],
            [("a", "f", "{}")],
        ),
        (  # nothing at first
            [{"index": 0, "id": "a"}, {"index": 0, "id": "a", **function("f", "{}")}],
            [("a", "f", "{}")],
        ),
        (  # indexes from 1, and in turns
            [
                {"index": 1, "id": "a", **function("f", "")},
                {"index": 2, "id": "b", **function("g", "")},
                {"index": 1, **function(None, "{}")},
            ],
            [("a", "f", "{}"), ("b", "g", "{}")],
        ),
        (  # one id for all
            [
                {"index": 0, "id": "a", **function("f", "{}")},
                {"index": 1, "id": "a", **function("g", "{}")},
            ],
            [("a", "f", "{}"), (TWO, "g", "{}")],
        ),
    ],
)
def test_calls_are_told_apart(
    parts: list[object], calls: list[tuple[str, str, str]]
) -> None:
    assert calling(*parts) == calls
