"""An answer that came whole, where the client asked for a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests import dialect
from tests.providers.test_recordings import REPLIES, Recording
from tests.values import chat, model
from tproxy.core import failures
from tproxy.core.upstream import StreamReader, UpstreamHead, Usage
from tproxy.providers.openai import DIALECT, PassThrough

MODEL = model("a")
HEAD = UpstreamHead(200, {"content-type": "application/json"})
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def reader(**asked: object) -> StreamReader:
    return DIALECT.chat.stream_reader(HEAD, chat(stream=True, **asked), MODEL)


def told(body: bytes, **asked: object) -> list[dict[str, Any]]:
    """The chunks, after the end mark was seen to be there once."""
    reading = reader(**asked)
    half = len(body) // 2
    assert reading.feed(body[:half]) + reading.feed(body[half:]) == b""
    assert not reading.begun

    said = reading.close()

    assert (reading.begun, reading.failure) == (True, None)
    *events, done, rest = said.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def test_a_whole_answer_is_told_as_a_stream() -> None:
    first, last = told(dialect.completion("Hello"))

    assert first["object"] == last["object"] == "chat.completion.chunk"
    assert first["choices"] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": "Hello"},
            "finish_reason": None,
        }
    ]
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert first["id"] == last["id"] == "chatcmpl-0"


def test_what_the_provider_says_beside_it_is_kept() -> None:
    said = {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 7,
        "model": "theirs",
        "provider": "Venice",
        "choices": [
            {
                "message": {"content": None, "reasoning": "hm", "tool_calls": [CALL]},
                "native_finish_reason": "STOP",
            },
            {"text": "b", "finish_reason": "length"},
            "noise",
        ],
    }

    *chunks, last = told(json.dumps(said).encode())

    assert {(c["id"], c["created"], c["model"], c["provider"]) for c in chunks} == {
        ("gen-1", 7, "theirs", "Venice")
    }
    [called] = chunks[0]["choices"]
    assert called["native_finish_reason"] == "STOP"
    assert called["delta"] == {
        "role": "assistant",
        "reasoning": "hm",
        "tool_calls": [{"index": 0, **CALL}],
    }
    assert chunks[1]["choices"][0]["finish_reason"] == "tool_calls"
    assert chunks[2]["choices"][0]["delta"]["content"] == "b"
    assert last["choices"] == [{"index": 1, "delta": {}, "finish_reason": "length"}]


def test_usage_is_shown_to_those_who_asked() -> None:
    body = dialect.completion("Hello")

    *chunks, last = told(body, stream_options={"include_usage": True})

    assert last["choices"] == []
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 4}
    assert [chunk["usage"] for chunk in chunks] == [None, None]
    assert all("usage" not in chunk for chunk in told(body))


def test_usage_is_known_either_way() -> None:
    reading = reader()
    reading.feed(dialect.completion("Hello"))
    reading.close()

    assert reading.usage == Usage(3, 4)


@pytest.mark.parametrize("recording", REPLIES.values(), ids=REPLIES)
def test_every_recorded_answer_can_be_told_as_a_stream(recording: Recording) -> None:
    reading = reader(stream_options={"include_usage": True})
    reading.feed(recording.body)
    said = reading.close()

    again = PassThrough(MODEL)
    assert again.feed(said) + again.close() == said
    assert (again.begun, again.failure) == (True, None)
    assert again.usage == reading.usage


def test_what_is_too_deep_to_be_told_is_unreadable() -> None:
    """Somewhere between what can be told and what cannot even be read."""
    seen = set()
    for depth in range(100, 200_000, 997):
        deep = b"[" * depth + b"]" * depth
        reading = reader()
        reading.feed(b'{"deep": %b, "choices": [{"message": {"content": "x"}}]}' % deep)
        reading.close()
        seen.add(reading.failure and reading.failure.failure)

    assert seen == {None, failures.MALFORMED}
