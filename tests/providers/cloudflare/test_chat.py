from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

from tests.providers.cloudflare import MODEL
from tests.values import chat
from tproxy.contract import openai
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.cloudflare import DIALECT

HEAD = UpstreamHead(
    200, {"content-type": "application/json", "date": "Tue, 03 Nov 2026 10:00:00 GMT"}
)
USAGE = {"prompt_tokens": 4, "completion_tokens": 3}


def envelope(result: object, **beside: object) -> bytes:
    said = {"result": result, "success": True, "errors": [], "messages": [], **beside}
    return json.dumps(said).encode()


def whole(finish: object = "stop", **message: object) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish}]}


def answer(body: bytes, **asked: object) -> dict[str, Any]:
    reply = DIALECT.chat.parse_response(HEAD, body, chat(**asked), MODEL)
    return openai.check_completion(reply.body)


def message(result: object) -> dict[str, Any]:
    [choice] = answer(envelope(result))["choices"]
    said: dict[str, Any] = choice["message"]
    return said


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ({"response": "Hi"}, "Hi"),
        ({"response": "Hi", "tool_calls": []}, "Hi"),
        ({"response": {"legs": 4}}, '{"legs": 4}'),
        ({"response": 42}, "42"),
        ({"response": False}, "false"),
        (whole(content='{"legs": 4}') | {"response": {"legs": 4.0}}, '{"legs": 4}'),
        (whole(content=None) | {"response": "Hi"}, "Hi"),
        (whole(content=[{"type": "text", "text": "Hi"}]), "Hi"),
        (whole(content={"legs": 4}), '{"legs": 4}'),
        ({"choices": [], "response": "Hi"}, "Hi"),
        ({"choices": ["noise"], "response": "Hi"}, "Hi"),
    ],
)
def test_text_is_found_wherever_it_stands(result: object, content: str) -> None:
    assert message(result)["content"] == content


def test_an_answer_without_an_envelope_is_one_too() -> None:
    said = answer(json.dumps({"response": "Hi", "usage": USAGE}).encode())

    assert said["choices"][0]["message"]["content"] == "Hi"
    assert said["usage"]["total_tokens"] == 7
    assert said["model"] == "llama"


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning": "hm"},
        {"reasoning_content": "hm"},
        {"reasoning": "hm", "reasoning_content": "hm"},
    ],
)
def test_thoughts_are_told_once(fields: dict[str, str]) -> None:
    assert message(whole(content="Hi", **fields))["reasoning_content"] == "hm"


@pytest.mark.parametrize(
    "result",
    [
        {"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
        {"tool_calls": [{"name": "f", "arguments": '{"a": 1}', "id": None}]},
        whole(tool_calls=[{"function": {"name": "f", "arguments": '{"a": 1}'}}]),
        whole("tool_calls", tool_calls=[{"name": "f", "arguments": {"a": 1}}, {}]),
    ],
)
def test_calls_of_all_forms_become_one(result: object) -> None:
    [choice] = answer(envelope(result))["choices"]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    [call] = choice["message"]["tool_calls"]
    assert call["function"] == {"name": "f", "arguments": '{"a": 1}'}
    assert call["id"] == "call_0_0"


def test_a_call_keeps_its_id_and_may_have_no_arguments() -> None:
    calls = [{"id": "chatcmpl-tool-1", "function": {"name": "f"}}]

    [call] = message(whole(tool_calls=calls))["tool_calls"]

    assert call["id"] == "chatcmpl-tool-1"
    assert call["function"]["arguments"] == "{}"


def test_no_two_calls_have_one_id() -> None:
    ids = ["a", "a", None, "call_0_1", "call_0_1"]
    calls: list[object] = [{"id": id, "name": "f", "arguments": {}} for id in ids]

    told = message({"tool_calls": calls})["tool_calls"]

    assert told[0]["id"] == "a"
    assert len({call["id"] for call in told}) == 5


def test_arguments_may_be_cut_short_with_the_answer() -> None:
    calls: list[object] = [{"name": "f", "arguments": '{"a'}]

    [choice] = answer(envelope(whole("length", tool_calls=calls)))["choices"]

    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("result", "asked", "finish"),
    [
        ({"response": "Hi"}, {}, "stop"),
        ({"response": "Hi", "usage": USAGE}, {"max_tokens": 3}, "length"),
        ({"response": "Hi", "usage": USAGE}, {"max_tokens": 4}, "stop"),
        ({"response": "Hi", "usage": {"completion_tokens": 256}}, {}, "length"),
        (whole("stop", content="Hi") | {"usage": USAGE}, {"max_tokens": 3}, "stop"),
        (whole("length", content=""), {}, "length"),
        (whole("content_filter", content=""), {}, "content_filter"),
        (whole("eos", content="Hi"), {}, "stop"),
    ],
)
def test_the_end_is_told_or_found_out(
    result: object, asked: dict[str, object], finish: str
) -> None:
    [choice] = answer(envelope(result), **asked)["choices"]

    assert choice["finish_reason"] == finish


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", failures.EMPTY),
        (b"[]", failures.MALFORMED),
        (b"<html>", failures.MALFORMED),
        (envelope(None), failures.EMPTY),
        (envelope({}), failures.EMPTY),
        (envelope("text"), failures.MALFORMED),
        (envelope({"response": ""}), failures.EMPTY),
        (envelope({"response": None, "tool_calls": []}), failures.EMPTY),
        (envelope(whole(content="")), failures.EMPTY),
        (envelope(whole("error", content="half")), failures.SERVER),
        (envelope({"tool_calls": [{"name": "f", "arguments": "not JSON"}]}),
         failures.MODEL_FAULT),
        (envelope({"tool_calls": [{"name": "f", "arguments": [1]}]}),
         failures.MODEL_FAULT),
        (
            envelope(None, success=False, errors=[{"code": 10000, "message": "no"}]),
            failures.SERVER,
        ),
        (envelope({"response": "Hi"}, errors=[{"code": 3040, "message": "capacity"}]),
         failures.OVERLOADED),
        (b'{"error": "boom"}', failures.SERVER),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_a_failure(body: bytes, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        answer(body)

    assert caught.value.failure is failure


def test_a_day_without_neurons_lasts_until_midnight() -> None:
    words = "you have used up your daily free allocation of 10,000 neurons"
    body = envelope(None, success=False, errors=[{"code": 4006, "message": words}])

    failed = DIALECT.chat.parse_error(attrs.evolve(HEAD, status=429), body, MODEL)

    assert failed.failure is failures.RATE_LIMIT
    assert failed.retry_after == 14 * 3600


def test_usage_is_counted() -> None:
    usage = {**USAGE, "prompt_tokens_details": {"cached_tokens": 2}, "neurons": 3.5}
    body = envelope({"response": "Hi", "usage": usage})

    reply = DIALECT.chat.parse_response(HEAD, body, chat(), MODEL)

    assert reply.usage == Usage(4, 3)
    assert json.loads(reply.body)["usage"] == {
        "prompt_tokens": 4,
        "completion_tokens": 3,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
