"""How much a model thinks, and how its thoughts travel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.anthropic.models import model
from tproxy.contract import openai, outcome
from tproxy.core.chat import ChatRequest
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.anthropic import DIALECT
from tproxy.providers.anthropic.generation import Generation

JSON = UpstreamHead(200, {"content-type": "application/json"})
EVENTS = UpstreamHead(200, {"content-type": "text/event-stream"})
TOOLS = [{"type": "function", "function": {"name": "weather"}}]
USE = {"type": "tool_use", "id": "c1", "name": "weather", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s1"}
REDACTED = {"type": "redacted_thinking", "data": "r1"}


def body(of: str, messages: Any = None, most: int | None = None, **fields: Any) -> Any:
    said = {"messages": messages or [{"role": "user", "content": "?"}], **fields}
    chat = ChatRequest.parse(json.dumps(said).encode())
    found = model(of, max_output_tokens=most)
    return json.loads(DIALECT.chat.build_request(chat, found).body)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("claude-2.1", (2, 1)),
        ("claude-3-opus-20240229", (3, 0)),
        ("claude-3-7-sonnet-20250219", (3, 7)),
        ("claude-sonnet-4-20250514", (4, 0)),
        ("claude-opus-4-1-20250805", (4, 1)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("anthropic.claude-opus-4-6-v1", (4, 6)),
        ("claude-fable-5", (5, 0)),
        ("claude-someday", (99, 0)),
        ("kimi-k2", (3, 7)),
    ],
)
def test_the_generation_is_in_the_name(name: str, version: tuple[int, int]) -> None:
    assert Generation.of(name).version == version


@pytest.mark.parametrize("effort", ["minimal", "low", "medium", "high", "xhigh"])
@pytest.mark.parametrize("most", [None, 1_400, 8_000, 64_000])
def test_a_budget_leaves_room_for_the_answer(effort: str, most: int | None) -> None:
    said = body("claude-sonnet-4-5", most=most, reasoning_effort=effort)

    budget = said["thinking"]["budget_tokens"]
    assert said["thinking"]["type"] == "enabled"
    assert 1_024 <= budget < said["max_tokens"] <= (most or 32_000)


@pytest.mark.parametrize(
    ("of", "effort", "thinking", "said"),
    [
        ("claude-opus-4-6", "minimal", {"type": "adaptive"}, "low"),
        ("claude-opus-4-6", "xhigh", {"type": "adaptive"}, "high"),
        ("claude-opus-4-6", "max", {"type": "adaptive"}, "max"),
        ("claude-opus-4-7", "xhigh", "shown", "xhigh"),
        ("claude-fable-5", "low", "shown", "low"),
    ],
)
def test_a_newer_model_is_told_an_effort(
    of: str, effort: str, thinking: Any, said: str
) -> None:
    found = body(of, reasoning_effort=effort)

    shown = {"type": "adaptive", "display": "summarized"}
    assert found["thinking"] == (shown if thinking == "shown" else thinking)
    assert found["output_config"] == {"effort": said}


def test_thinking_can_be_turned_off() -> None:
    said = body("claude-fable-5", reasoning_effort="none")

    assert said["thinking"] == {"type": "disabled"}
    assert "output_config" not in said


def test_anthropics_own_words_go_through() -> None:
    own = {"type": "enabled", "budget_tokens": 9_000}

    said = body("claude-sonnet-4-5", thinking=own)

    assert said["thinking"] == own
    assert said["max_tokens"] > 9_000


def test_a_call_that_must_be_made_is_made_without_a_budget() -> None:
    fields: Any = {
        "tools": TOOLS,
        "tool_choice": "required",
        "reasoning_effort": "high",
    }

    assert "thinking" not in body("claude-sonnet-4-5", **fields)
    assert "thinking" in body("claude-opus-4-6", **fields)


def told(blocks: list[Any], *, stream: bool) -> dict[str, Any]:
    """The message that a client makes of an answer."""
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "m", "content": blocks, "stop_reason": "tool_use", "usage": usage}
    if not stream:
        raw = json.dumps(message).encode()
        read = outcome.answered(DIALECT, JSON, raw, model())
        found: dict[str, Any] = json.loads(read.output)["choices"][0]["message"]
        return found
    events: list[Any] = [
        {"type": "message_start", "message": {**message, "content": []}}
    ]
    for index, block in enumerate(blocks):
        place = {"index": index}
        events.append({"type": "content_block_start", **place, "content_block": block})
        events.append({"type": "content_block_stop", **place})
    events.append({"type": "message_delta", "delta": {"stop_reason": "tool_use"}})
    events.append({"type": "message_stop"})
    raw = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    read = outcome.fed(DIALECT, EVENTS, [raw], model())
    [spoken] = openai.check_stream(read.output).choices
    calls = [
        {
            "id": one.id,
            "type": "function",
            "function": {"name": one.name, "arguments": one.arguments},
            "extra_content": one.extra,
        }
        for one in spoken.calls
    ]
    return {"role": "assistant", "content": spoken.text or None, "tool_calls": calls}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "blocks",
    [
        [THOUGHT, USE],
        [REDACTED, THOUGHT, {"type": "text", "text": "Let me see."}, USE],
        [{**THOUGHT, "thinking": ""}, USE, {**USE, "id": "c2"}],
        [THOUGHT, USE, {**THOUGHT, "signature": "s2"}, {**USE, "id": "c2"}],
        [REDACTED, {**REDACTED, "data": "r2"}, USE, {**USE, "id": "c2"}],
    ],
)
def test_thoughts_come_back_before_the_call_they_led_to(
    blocks: list[Any], stream: bool
) -> None:
    message = told(blocks, stream=stream)
    messages = [
        {"role": "user", "content": "?"},
        message,
        *(
            {"role": "tool", "tool_call_id": call["id"], "content": "Sunny"}
            for call in message["tool_calls"]
        ),
    ]

    said = body("claude-sonnet-4-5", messages, tools=TOOLS, reasoning_effort="low")

    assert said["messages"][1]["content"] == blocks
    assert said["thinking"]["type"] == "enabled"


def test_the_signature_stands_where_it_is_looked_for() -> None:
    [call] = told([THOUGHT, USE], stream=True)["tool_calls"]

    assert call["extra_content"]["anthropic"]["thinking_signature"] == "s1"


def test_the_text_may_come_back_beside_the_call() -> None:
    extra = {"extra_content": {"anthropic": {"thinking_signature": "s1"}}}
    function = {"name": "weather", "arguments": "{}"}
    message = {
        "role": "assistant",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c1", "type": "function", "function": function, **extra}],
    }

    said = body("claude-sonnet-4-5", [{"role": "user", "content": "?"}, message])

    assert said["messages"][1]["content"] == [THOUGHT, USE]


def test_a_call_that_lost_its_thoughts_goes_on_without_thinking() -> None:
    """A budget would be refused; newer models do not mind."""
    function = {"name": "weather", "arguments": "{}"}
    calls = [{"id": "c1", "type": "function", "function": function}]
    messages = [
        {"role": "user", "content": "?"},
        {"role": "assistant", "tool_calls": calls, "reasoning_content": "Hm."},
        {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
    ]
    fields: Any = {"tools": TOOLS, "reasoning_effort": "low"}

    assert "thinking" not in body("claude-sonnet-4-5", messages, **fields)
    assert "thinking" in body("claude-opus-4-6", messages, **fields)


@pytest.mark.parametrize(
    "extra",
    [
        {"anthropic": 1},
        {"anthropic": {"thinking_signature": 1, "redacted_thinking": {}}},
        {"anthropic": {"thinking_signature": "s", "thinking": []}},
        {"anthropic": {"redacted_thinking": [1, None, ""]}},
        {"google": {"thought_signature": "x"}},
    ],
)
def test_what_is_no_thought_is_none(extra: Any) -> None:
    function = {"name": "weather", "arguments": "{}"}
    call = {"id": "c1", "type": "function", "function": function}
    message = {"role": "assistant", "tool_calls": [{**call, "extra_content": extra}]}

    said = body("claude-sonnet-4-5", [{"role": "user", "content": "?"}, message])

    assert said["messages"][1]["content"] == [USE]


def test_endless_thoughts_are_not_carried() -> None:
    message = told([{**THOUGHT, "thinking": "x" * 300_000}, USE], stream=True)

    assert message["tool_calls"][0]["extra_content"] == {}
