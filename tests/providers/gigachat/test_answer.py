from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gigachat import MODEL, STATE
from tests.providers.gigachat.saying import (
    CALL,
    FINISHES,
    JSON,
    TOLD,
    USAGE,
    USAGE_V2,
    v1,
    v2,
)
from tests.values import KEY, chat
from tproxy.contract import openai
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.gigachat import DIALECT, calls


def answer(said: object) -> dict[str, Any]:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    reply = DIALECT.chat.parse_response(JSON, body, chat(), MODEL)
    return openai.check_completion(reply.body)


def message(said: object) -> dict[str, Any]:
    found: dict[str, Any] = answer(said)["choices"][0]["message"]
    return found


@pytest.mark.parametrize(
    "said",
    [
        {**v1(role="assistant", content="Hello"), "usage": USAGE},
        {**v2({"text": "Hel"}, {"text": "lo"}), "usage": USAGE_V2},
    ],
    ids=["v1", "v2"],
)
def test_an_answer_of_text_is_openais(said: dict[str, object]) -> None:
    told = answer(said)

    assert told["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert told["usage"] == TOLD
    assert (told["model"], told["created"]) == ("giga", 1_768_996_171)
    assert told["object"] == "chat.completion"


@pytest.mark.parametrize(
    "said",
    [
        v1("function_call", content="", function_call=CALL, functions_state_id=STATE),
        v2({"function_call": CALL}, finish="function_call", tool_state_id=STATE),
        v2({"function_call": CALL}, finish="tool_calls", tools_state_id=STATE),
        v2(finish="stop", function_call=CALL, functions_state_id=STATE),
        v2({"function_call": CALL}, function_call=CALL, tool_state_id=STATE),
        {**v2({"function_call": CALL}), "tools_state_id": STATE},
    ],
)
def test_a_call_comes_with_its_state(said: dict[str, object]) -> None:
    [choice] = answer(said)["choices"]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    made = calls.call(chat(), 0, "weather", "", STATE)
    [call] = choice["message"]["tool_calls"]
    assert call == {
        "id": made.id,
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Рим"}'},
        "extra_content": {"gigachat": {"functions_state_id": STATE}},
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "{}"),
        (None, "{}"),
        ("", "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ({"a": "\ud800"}, '{"a": "\ud800"}'),
    ],
)
def test_arguments_come_as_an_object_or_as_text(arguments: object, told: str) -> None:
    call = {"name": "f", "arguments": arguments}

    [made] = message(v1(function_call=call))["tool_calls"]

    assert made["function"]["arguments"] == told


@pytest.mark.parametrize(("finish", "told"), FINISHES)
def test_finish_reasons_are_openais(finish: object, told: str) -> None:
    assert answer(v1(finish, content="Hi"))["choices"][0]["finish_reason"] == told


@pytest.mark.parametrize("finish", ["length", "blacklist"])
def test_some_ends_are_honest_without_a_word(finish: str) -> None:
    assert message(v1(finish, content=""))["content"] == ""


@pytest.mark.parametrize(
    "said",
    [
        v1(content="4", reasoning_content="2+2"),
        v2({"text": "4"}, reasoning_content="2+2"),
        {
            "messages": [
                {"role": "reasoning", "content": [{"text": "2+2"}]},
                {"role": "assistant", "content": [{"text": "4"}]},
            ]
        },
    ],
)
def test_thoughts_are_told_apart(said: dict[str, object]) -> None:
    told = message(said)

    assert (told["reasoning_content"], told["content"]) == ("2+2", "4")


@pytest.mark.parametrize(
    ("said", "row"),
    [
        (b"", failures.EMPTY),
        (b" \n", failures.EMPTY),
        (b"<html>", failures.MALFORMED),
        (b"[]", failures.MALFORMED),
        (b"{}", failures.EMPTY),
        (b"[" * 100_000, failures.MALFORMED),
        ({"choices": []}, failures.EMPTY),
        ({"choices": "x"}, failures.MALFORMED),
        ({"choices": [None]}, failures.MALFORMED),
        ({"choices": [{}]}, failures.EMPTY),
        ({"choices": [{"message": "x"}]}, failures.MALFORMED),
        ({"messages": ["x"]}, failures.MALFORMED),
        (v1(content=""), failures.EMPTY),
        (v1(content=None), failures.EMPTY),
        (v1(content=1), failures.MALFORMED),
        (v1({}, content="Hi"), failures.MALFORMED),
        (v1(content=[{"text": 1}]), failures.MALFORMED),
        (v1(content="Hi", reasoning_content={}), failures.MALFORMED),
        (v1("function_call", content=""), failures.EMPTY),
        (v1(function_call="f"), failures.MALFORMED),
        (v1(function_call={"arguments": {}}), failures.MALFORMED),
        (v1(function_call={"name": 1}), failures.MALFORMED),
        (v1(function_call={"name": "f", "arguments": "x"}), failures.MODEL_FAULT),
        (v1(function_call={"name": "f", "arguments": "[]"}), failures.MODEL_FAULT),
        (v1(function_call={"name": "f", "arguments": [1]}), failures.MODEL_FAULT),
        (
            v1(function_call={"name": "f", "arguments": {"a": float("nan")}}),
            failures.MODEL_FAULT,
        ),
        (v1("error", content="Hi"), failures.MODEL_FAULT),
        (v2({"text": "Hi"}, finish="function_call_error"), failures.MODEL_FAULT),
        ({"status": 429, "message": "Too many requests"}, failures.RATE_LIMIT),
        ({"status": 404, "message": "No such model"}, failures.MISSING),
        ({"error": {"code": "x", "message": "boom"}}, failures.SERVER),
    ],
)
def test_what_is_no_answer_is_a_failure(said: object, row: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answer(said)

    assert caught.value.failure is row


@pytest.mark.parametrize(
    ("status", "words", "row"),
    [
        (400, "Bad request", failures.REJECTED),
        (401, "Unauthorized", failures.AUTH),
        (401, "Token has expired", failures.AUTH),
        (402, "Payment Required", failures.BILLING),
        (403, "Permission denied", failures.FORBIDDEN),
        (404, "No such model", failures.MISSING),
        (413, "Request Entity Too Large", failures.TOO_LONG),
        (
            422,
            "Invalid params: system message must be the first message",
            failures.REJECTED,
        ),
        (429, "Too many requests", failures.RATE_LIMIT),
        (500, "Internal Server Error", failures.SERVER),
    ],
)
def test_errors_are_what_they_mean(status: int, words: str, row: Failure) -> None:
    body = json.dumps({"status": status, "message": words}).encode()

    error = DIALECT.chat.parse_error(UpstreamHead(status, {}), body, MODEL)

    assert error.failure is row
    assert KEY not in error.message
