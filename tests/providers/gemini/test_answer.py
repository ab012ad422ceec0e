from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gemini.models import model
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.gemini import DIALECT

MODEL = model()
HEAD = UpstreamHead(200, {"content-type": "application/json; charset=UTF-8"})
CALL = {"functionCall": {"name": "f", "args": {"a": 1}}}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def sound(data: str) -> Any:
    return {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": data}}


def candidate(*parts: object, finish: object = "STOP", **more: object) -> Any:
    content = {"role": "model", "parts": list(parts)}
    return {"content": content, "finishReason": finish, **more}


def read(said: object) -> Outcome:
    raw = said if isinstance(said, bytes) else json.dumps(said).encode()
    return outcome.answered(DIALECT, HEAD, raw, MODEL)


def answered(*candidates: object, **more: object) -> dict[str, Any]:
    found = read({"candidates": candidates, **more})
    assert found.failure is None, found.failure.detail
    return openai.check_completion(found.output)


def choice(*parts: object, finish: object = "STOP") -> dict[str, Any]:
    [found] = answered(candidate(*parts, finish=finish))["choices"]
    assert isinstance(found, dict)
    return found


# Answers


def test_text_is_the_content_and_thoughts_are_beside_it() -> None:
    message = choice(
        {"text": "hm", "thought": True}, {"text": "a"}, {"text": "b", "thought": False}
    )["message"]

    assert message["content"] == "ab"
    assert message["reasoning_content"] == "hm"


def test_calls_have_ids_of_the_answer_where_gemini_gives_none() -> None:
    parts = (CALL, {"functionCall": {"name": "g", "id": "own"}}, CALL)

    said = answered(candidate(*parts), responseId="R-1_x/y")

    [found] = said["choices"]
    calls = found["message"]["tool_calls"]
    assert found["finish_reason"] == "tool_calls"
    assert found["message"]["content"] is None
    assert [call["id"] for call in calls] == ["call_R-1_xy_0", "own", "call_R-1_xy_2"]
    assert [call["function"] for call in calls] == [
        {"name": "f", "arguments": '{"a":1}'},
        {"name": "g", "arguments": "{}"},
        {"name": "f", "arguments": '{"a":1}'},
    ]
    again = answered(candidate(*parts), responseId="R-1_x/y")
    assert again["choices"] == said["choices"]


def test_an_answer_without_an_id_has_ours() -> None:
    said = answered(candidate(CALL))

    [call] = said["choices"][0]["message"]["tool_calls"]
    assert said["id"] == "chatcmpl-req_contract"
    assert call["id"] == "call_req_contract_0"


def test_ids_that_gemini_gives_twice_are_made_different() -> None:
    twice = {"functionCall": {"name": "f", "id": "x"}}

    calls = choice(twice, twice)["message"]["tool_calls"]

    assert len({call["id"] for call in calls}) == 2


def test_signatures_are_beside_what_they_sign() -> None:
    message = choice(
        {"text": "a", "thoughtSignature": "t-_"}, {**CALL, "thoughtSignature": "c+/"}
    )["message"]

    [call] = message["tool_calls"]
    assert message["extra_content"] == {"google": {"thought_signature": "t-_"}}
    assert call["extra_content"] == {"google": {"thought_signature": "c+/"}}


def test_pictures_are_beside_the_text() -> None:
    message = choice({"text": "See"}, PICTURE)["message"]

    url = "data:image/png;base64,iVBORw0KGgo="
    assert message["content"] == "See"
    picture = {"type": "image_url", "image_url": {"url": url}, "index": 0}
    assert message["images"] == [picture]
    assert choice(PICTURE)["message"]["content"] == ""


def test_sounds_are_beside_the_text_and_are_one() -> None:
    message = choice(sound("AAAA"), {"text": "a"}, sound("AQ=="))["message"]

    assert message["content"] == "a"
    assert message["audio"]["data"] == "AAAAAQ=="
    assert message["audio"]["format"] == "audio/L16;rate=24000"


def test_a_sound_alone_is_an_answer() -> None:
    assert choice(sound("AAAA"))["message"]["content"] == ""


def test_parts_of_built_in_tools_are_passed_over() -> None:
    message = choice(
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
        {"toolCall": {"toolType": "FILE_SEARCH"}, "thoughtSignature": "s"},
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"text": "a"},
    )["message"]

    assert message["content"] == "a"


def test_several_candidates_are_several_choices() -> None:
    said = answered(
        candidate({"text": "a"}, index=0), candidate({"text": "b"}, index=1)
    )

    assert [c["message"]["content"] for c in said["choices"]] == ["a", "b"]


def test_of_several_candidates_one_may_be_silent_for_a_reason() -> None:
    said = answered(candidate({"text": "a"}), candidate(finish="SAFETY", index=1))

    assert [c["finish_reason"] for c in said["choices"]] == ["stop", "content_filter"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("STOP", "stop"),
        (None, "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "stop"),
        ("NEW_ONE", "stop"),
    ],
)
def test_a_finish_reason_is_openais(reason: object, finish: str) -> None:
    assert choice({"text": "a"}, finish=reason)["finish_reason"] == finish


@pytest.mark.parametrize(
    ("content", "reason", "finish"),
    [
        ({}, "SAFETY", "content_filter"),
        (None, "MAX_TOKENS", "length"),
        ({"role": "model"}, "MAX_TOKENS", "length"),
        ({"parts": None}, "RECITATION", "content_filter"),
        ({"parts": []}, "PROHIBITED_CONTENT", "content_filter"),
    ],
)
def test_silence_with_a_reason_is_honest(
    content: object, reason: str, finish: str
) -> None:
    [found] = answered({"content": content, "finishReason": reason})["choices"]

    assert found["message"]["content"] == ""
    assert found["finish_reason"] == finish


def test_usage_counts_thoughts_and_tools_and_what_was_cached() -> None:
    usage = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "cachedContentTokenCount": 4,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 2,
        "totalTokenCount": 20,
    }

    found = read({"candidates": [candidate({"text": "a"})], "usageMetadata": usage})

    assert found.usage == Usage(15, 5)
    assert json.loads(found.output)["usage"] == {
        "prompt_tokens": 15,
        "completion_tokens": 5,
        "total_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ([], None),
        ({}, Usage(0, 0)),
        ({"promptTokenCount": 7}, Usage(7, 0)),
        ({"promptTokenCount": "7", "candidatesTokenCount": -1}, Usage(0, 0)),
        ({"promptTokenCount": True, "thoughtsTokenCount": 1.5}, Usage(0, 0)),
    ],
)
def test_counts_that_are_missing_or_wrong_are_none(
    usage: object, expected: Usage | None
) -> None:
    found = read({"candidates": [candidate({"text": "a"})], "usageMetadata": usage})

    assert found.usage == expected


# No answers

PIECE = {"jsonPath": "$.a", "stringValue": "b"}
HALF = {"partialArgs": [PIECE], "willContinue": True}
BEYOND = json.dumps({"candidates": [candidate(CALL)]}).replace("1", "1e999").encode()


@pytest.mark.parametrize(
    ("said", "row"),
    [
        ({"candidates": [candidate()]}, "empty"),
        ({"candidates": [candidate({"text": ""})]}, "empty"),
        ({"candidates": [candidate(finish="OTHER")]}, "empty"),
        ({"candidates": [candidate(finish="NO_IMAGE")]}, "empty"),
        ({"candidates": [{}]}, "empty"),
        ({"candidates": [candidate({"text": "a"}), candidate()]}, "empty"),
        ({"candidates": []}, "empty"),
        ({"usageMetadata": {"promptTokenCount": 1}}, "empty"),
        ({"promptFeedback": {"safetyRatings": []}}, "empty"),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "filtered"),
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "filtered"),
        ({"promptFeedback": {"blockReason": 1}, "candidates": []}, "filtered"),
        ({"candidates": [candidate(finish="MALFORMED_FUNCTION_CALL")]}, "model_fault"),
        (
            {"candidates": [candidate({"text": "a"}, finish="UNEXPECTED_TOOL_CALL")]},
            "model_fault",
        ),
        ({"error": {"code": 503, "status": "UNAVAILABLE"}}, "overloaded"),
        ([{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}], "rate_limit"),
        ({"candidates": {}}, "malformed"),
        ({"candidates": ["x"]}, "malformed"),
        ({"candidates": [candidate("x")]}, "malformed"),
        ({"candidates": [{"content": {"parts": {"text": "a"}}}]}, "malformed"),
        ({"candidates": [{"content": ["a"]}]}, "malformed"),
        ({"candidates": [candidate({"text": 1})]}, "malformed"),
        ({"candidates": [candidate({"text": "a"}, finish=1)]}, "malformed"),
        ({"candidates": [candidate({"text": "a"}, index="0")]}, "malformed"),
        ({"candidates": [candidate({"functionCall": []})]}, "malformed"),
        ({"candidates": [candidate({"functionCall": {}})]}, "malformed"),
        (
            {"candidates": [candidate({"functionCall": {"name": "f", "args": "x"}})]},
            "malformed",
        ),
        (
            {"candidates": [candidate({"functionCall": {**HALF, "name": "f"}})]},
            "model_fault",
        ),
        ({"candidates": [candidate(sound("no Base64"))]}, "malformed"),
        (BEYOND, "malformed"),
        (b'{"candidates":[{"content":{"parts":[{"text":NaN}]}}]}', "malformed"),
        ({"candidates": [candidate({"text": "a"})] * 129}, "malformed"),
        ({"candidates": [candidate(*[CALL] * 1_025)]}, "malformed"),
        (b"", "empty"),
        (b"<html>", "malformed"),
    ],
)
def test_what_is_no_answer_is_a_failure(said: object, row: str) -> None:
    assert read(said).verdict == row


def test_a_block_says_why() -> None:
    failure = read({"promptFeedback": {"blockReason": "BLOCKLIST"}}).failure

    assert failure is not None
    assert failure.detail == "BLOCKLIST"
    assert failure.message.endswith("refused the request: BLOCKLIST.")
    assert failure.told.status == 400
