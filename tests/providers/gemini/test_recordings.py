"""What was recorded of Gemini: requests as they would be made, answers as they are."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.providers.gemini.models import model
from tests.providers.gemini.recorded import ALL, Recording, asked, camel, meaning
from tproxy.contract import openai, outcome
from tproxy.contract.spoken import Spoken
from tproxy.core.chat import ChatRequest
from tproxy.providers.gemini import DIALECT

MODEL = model()

# Built-in tools, which OpenAI's dialect has no words for.
BUILT_IN = ("googleSearch", "fileSearch", "urlContext", "codeExecution", "toolCall")
FINISHES = {"STOP": "stop", "MAX_TOKENS": "length"}


def is_sayable(recording: Recording) -> bool:
    said = json.dumps(recording.sent)
    if "countTokens" in recording.url:
        return False
    return recording.sent is not None and not any(name in said for name in BUILT_IN)


CHATS = {name: one for name, one in ALL.items() if one.kind.startswith("chat")}
SENT = {name: one for name, one in ALL.items() if is_sayable(one)}
STREAMS = {name: one for name, one in CHATS.items() if one.kind == "chat-stream"}
WHOLE = {name: one for name, one in CHATS.items() if one.kind == "chat"}


def test_there_are_recordings() -> None:
    assert len(SENT) > 35
    assert len(STREAMS) > 15
    assert len(WHOLE) > 25


@pytest.mark.parametrize("recording", SENT.values(), ids=SENT)
def test_a_request_means_what_was_recorded(recording: Recording) -> None:
    url = urlsplit(recording.url)
    stream = url.path.endswith(":streamGenerateContent")
    said = asked(recording.sent, stream=stream)
    chat = ChatRequest.parse(json.dumps(said).encode())

    request = DIALECT.chat.build_request(chat, model(recording.model))

    built = urlsplit(request.url)
    assert built.path == url.path
    assert parse_qs(built.query) == ({"alt": ["sse"]} if stream else {})
    ids = '"id"' in json.dumps(recording.sent["contents"])
    expected = meaning(recording.sent, ids=ids)
    found = meaning(json.loads(request.body), ids=ids)
    if "reasoning_effort" in said:
        assert expected["config"]["thinkingConfig"].pop("includeThoughts") is True
        assert found["config"]["thinkingConfig"].pop("includeThoughts") is True
    assert found == expected
    assert request.dropped == ()


@pytest.mark.parametrize("recording", WHOLE.values(), ids=WHOLE)
def test_an_answer_says_what_was_recorded(recording: Recording) -> None:
    read = outcome.answered(DIALECT, recording.head, recording.body, MODEL)

    said = openai.check_completion(read.output)
    assert said["id"].removeprefix("chatcmpl-") == recording.values[0].get(
        "responseId", "req_contract"
    )
    [choice] = said["choices"]
    spoken = Spoken.of_message(choice["message"], choice["finish_reason"])
    check(spoken, recording)
    check_usage(said["usage"], recording)


@pytest.mark.parametrize("recording", STREAMS.values(), ids=STREAMS)
def test_a_stream_says_what_was_recorded(recording: Recording) -> None:
    read = outcome.fed(DIALECT, recording.head, [recording.body], MODEL)

    stream = openai.check_stream(read.output, usage=True)
    [spoken] = stream.choices
    check(spoken, recording)
    check_usage(stream.usage, recording)


def check(spoken: Spoken, recording: Recording) -> None:
    """Compare with the recording, read by hand."""
    candidates = [one for value in recording.values for one in value["candidates"]]
    parts = [part for one in candidates for part in one["content"].get("parts", [])]
    calls = [part for part in parts if "functionCall" in part]
    texts = [part for part in parts if "text" in part]
    finish = FINISHES[candidates[-1]["finishReason"]]

    thoughts = [part["text"] for part in texts if part.get("thought")]
    assert spoken.reasoning == "".join(thoughts)
    assert spoken.text == "".join(p["text"] for p in texts if not p.get("thought"))
    assert spoken.finish == ("tool_calls" if calls else finish)
    found = [
        (c.name, json.loads(c.arguments), signature(c.extra)) for c in spoken.calls
    ]
    assert found == [
        (
            part["functionCall"]["name"],
            part["functionCall"].get("args", {}),
            part.get("thoughtSignature"),
        )
        for part in calls
    ]
    for call, part in zip(spoken.calls, calls, strict=True):
        assert call.id == part["functionCall"].get("id", call.id)


def check_usage(told: Any, recording: Recording) -> None:
    counted = recording.values[-1]["usageMetadata"]
    details = told.get("completion_tokens_details", {})
    cached = told.get("prompt_tokens_details", {}).get("cached_tokens")
    assert told["total_tokens"] == counted["totalTokenCount"]
    assert cached == counted.get("cachedContentTokenCount")
    assert details.get("reasoning_tokens") == counted.get("thoughtsTokenCount")


def signature(extra: Any) -> str | None:
    found: str | None = extra.get("google", {}).get("thought_signature")
    return found


# What one turn hands out comes back in the next, as the recorded client did it.


def turns(stem: str) -> list[Recording]:
    return [one for name, one in ALL.items() if stem in name]


@pytest.mark.parametrize(
    "stem",
    [
        "test-tools-with-nested-pydantic-models",
        "test-native-output-with-function-tools-stream",
        "test-google-streaming-tool-call-thought-signature",
    ],
)
def test_a_signature_and_an_id_come_back_as_they_were(stem: str) -> None:
    first, second = turns(stem)
    read = outcome.fed(DIALECT, first.head, [first.body], MODEL)
    [spoken] = openai.check_stream(read.output).choices
    [call] = spoken.calls
    function = {"name": call.name, "arguments": call.arguments}
    said = {"id": call.id, "type": "function", "function": function}
    messages = [
        {"role": "user", "content": "?"},
        {
            "role": "assistant",
            "content": spoken.text or None,
            "tool_calls": [{**said, "extra_content": call.extra}],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "x"},
    ]
    chat = ChatRequest.parse(json.dumps({"messages": messages}).encode())

    request = DIALECT.chat.build_request(chat, MODEL)

    _, answer, result = json.loads(request.body)["contents"]
    recorded = camel(second.sent["contents"][1]["parts"][0])
    [part] = answer["parts"]
    # Signatures of bytes come in either alphabet of Base64.
    alphabet = str.maketrans("-_", "+/")
    assert part["thoughtSignature"].translate(alphabet) == recorded[
        "thoughtSignature"
    ].translate(alphabet)
    assert part["functionCall"]["args"] == recorded["functionCall"]["args"]
    assert result["parts"][0]["functionResponse"]["id"] == part["functionCall"]["id"]
