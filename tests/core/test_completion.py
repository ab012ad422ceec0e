from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat, model
from tproxy.contract.openai import (
    check_broken_stream,
    check_completion,
    check_stream,
)
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import (
    DONE,
    Choice,
    ChunkWriter,
    Tokens,
    completion,
)
from tproxy.core.message import ToolCall
from tproxy.core.upstream import Usage

MODEL = model("group/a")
CALL = ToolCall("c1", "f", '{"a": 1}')
SIGNED = ToolCall("c2", "g", "{}", {"google": {"thought_signature": "s"}})
TOKENS = Tokens(prompt=10, completion=5, cached=4, reasoning=2)


def asked(*, usage: bool = False) -> ChatRequest:
    body = chat(stream=True, stream_options={"include_usage": usage})
    return ChatRequest.parse(
        body.document.text.encode(), id="req_1", created=1_700_000_000
    )


def said(*choices: Choice, tokens: Tokens | None = TOKENS, **more: Any) -> Any:
    return check_completion(completion(asked(), MODEL, choices, tokens, **more).body)


def test_an_answer_is_openais() -> None:
    told = said(Choice("Hé", "stop"))

    assert told == {
        "id": "chatcmpl-req_1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "group/a",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hé", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }


def test_the_providers_id_and_time_are_kept() -> None:
    told = said(Choice("a", "stop"), id="msg_1", created=7)

    assert (told["id"], told["created"]) == ("chatcmpl-msg_1", 7)
    assert said(Choice("a", "stop"), id="chatcmpl-x")["id"] == "chatcmpl-x"


def test_what_is_not_known_of_the_usage_is_not_told() -> None:
    plain = said(Choice("a", "stop"), tokens=Tokens(1, 2))

    assert plain["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
    }
    assert "usage" not in said(Choice("a", "stop"), tokens=None)


def test_no_part_of_the_usage_is_more_than_the_whole() -> None:
    told = said(Choice("a", "stop"), tokens=Tokens(1, 2, cached=9, reasoning=9))

    assert told["usage"]["prompt_tokens_details"] == {"cached_tokens": 1}
    assert told["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_calls_and_thoughts_stand_beside_the_content() -> None:
    told = said(
        Choice(None, "tool_calls", [CALL, SIGNED], reasoning="hm"),
        Choice("b", "stop", extra={"citations": [{"start": 0}]}),
    )

    first, second = (choice["message"] for choice in told["choices"])
    assert first["content"] is None
    assert first["reasoning_content"] == "hm"
    assert first["tool_calls"] == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a": 1}'},
        },
        {
            "id": "c2",
            "type": "function",
            "function": {"name": "g", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "s"}},
        },
    ]
    assert second["citations"] == [{"start": 0}]


def test_what_counts_is_what_is_told() -> None:
    reply = completion(asked(), MODEL, [Choice("a", "stop")], TOKENS)

    assert reply.usage == Usage(10, 5)


def test_half_a_character_does_no_harm() -> None:
    told = said(Choice("a\ud800b", "stop"))

    assert told["choices"][0]["message"]["content"] == "a\ud800b"


def test_a_stream_is_openais() -> None:
    chunks = ChunkWriter(asked(usage=True), MODEL)
    chunks.begin(id="g1", created=9)

    raw = chunks.reasoning("hm") + chunks.text("Hé") + chunks.text("llo")
    raw += chunks.call(0, ToolCall("c1", "f", "")) + chunks.arguments(0, '{"a"')
    raw += chunks.arguments(0, ": 1}") + chunks.call(1, SIGNED)
    raw += chunks.finish("tool_calls") + chunks.end(TOKENS)

    told = check_stream(raw, usage=True)
    [spoken] = told.choices
    assert (spoken.text, spoken.reasoning, spoken.finish) == (
        *("Héllo", "hm"),
        "tool_calls",
    )
    assert [(c.id, c.name, c.arguments) for c in spoken.calls] == [
        ("c1", "f", '{"a": 1}'),
        ("c2", "g", "{}"),
    ]
    assert spoken.calls[1].extra == SIGNED.extra
    assert told.usage == TOKENS.said()


def test_all_chunks_have_the_same_head() -> None:
    chunks = ChunkWriter(asked(), MODEL)
    raw = chunks.text("a")
    chunks.begin(id="too late", created=1)
    raw += chunks.text("b")

    first, second = (json.loads(event[6:]) for event in raw.split(b"\n\n")[:-1])
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "a"}
    assert second["choices"][0]["delta"] == {"content": "b"}
    assert first["id"] == second["id"] == "chatcmpl-req_1"
    assert first["created"] == second["created"] == 1_700_000_000
    assert first["model"] == "group/a"


def test_usage_is_told_to_those_who_asked() -> None:
    quiet, open_ = ChunkWriter(asked(), MODEL), ChunkWriter(asked(usage=True), MODEL)

    assert quiet.text("a").count(b"usage") == 0
    assert b'"usage":null' in open_.text("a")
    assert quiet.end(TOKENS) == DONE
    assert open_.end(None) == DONE
    assert open_.end(TOKENS).endswith(b"\n\n" + DONE)


def test_choices_speak_in_turn() -> None:
    chunks = ChunkWriter(asked(), MODEL)

    raw = (
        chunks.text("a") + chunks.text("b", 1) + chunks.text("c") + chunks.text("d", 1)
    )
    raw += chunks.finish("stop", 1) + chunks.finish("length") + chunks.end(None)

    first, second = check_stream(raw, usage=False).choices
    assert (first.text, first.finish) == ("ac", "length")
    assert (second.text, second.finish) == ("bd", "stop")


def test_a_choice_without_a_word_has_a_role_too() -> None:
    chunks = ChunkWriter(asked(), MODEL)

    [spoken] = check_stream(chunks.finish("length") + chunks.end(None)).choices

    assert spoken.finish == "length"


@given(st.text(st.characters(), max_size=20))
def test_no_text_breaks_an_event(text: str) -> None:
    raw = ChunkWriter(asked(), MODEL).text(text)

    [spoken] = check_broken_stream(raw).choices
    assert spoken.text == text
