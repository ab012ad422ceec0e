"""Anthropic's Messages: blocks, alternating turns, signed thoughts before calls.

Strict as the real one: no field it does not know, a version and a bound, results first
and all of them, and thoughts brought back unchanged. Source: Anthropic API reference.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.faults.script import SSE
from tests.simulators import Provider
from tests.simulators.scene import (
    COMPLETION_TOKENS,
    KEY,
    PROMPT_TOKENS,
    Heard,
    Turn,
    reply,
)
from tests.simulators.simulator import Asked, Said, event
from tproxy.core.model import KeyHeader, Upstream
from tproxy.core.secret import Secret

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCgIYAhIM"}
_FIELDS = {"model", "messages", "max_tokens", "system", "stream", "tools"}
_FIELDS |= {"tool_choice", "temperature", "top_p", "top_k", "stop_sequences"}
_FIELDS |= {"metadata", "thinking", "output_config", "cache_control"}
# What was cached is no part of `input_tokens`.
_USAGE = {"cache_creation_input_tokens": 2, "cache_read_input_tokens": 4}
_USAGE |= {"input_tokens": PROMPT_TOKENS - 6, "output_tokens": COMPLETION_TOKENS}


def answer(asked: Asked) -> Said:
    if asked.headers.get("x-api-key") != KEY or "authorization" in asked.headers:
        return error(401, "authentication_error", "invalid x-api-key")
    if asked.path != "/v1/messages":
        return error(404, "not_found_error", "Not Found")
    fault = _fault(asked)
    if fault:
        return error(400, "invalid_request_error", fault)
    body = asked.json
    turn = reply(_heard(body))
    return _streamed(turn, body) if body.get("stream") else _whole(turn, body)


def error(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None
) -> Said:
    said = {"type": "error", "error": {"type": kind, "message": message}}
    return Said.json({**said, "request_id": "req_011"}, status, headers or {})


def _fault(asked: Asked) -> str:
    """What Anthropic refuses, and OpenAI does not."""
    body = asked.json
    if "anthropic-version" not in asked.headers:
        return "anthropic-version: header is required"
    unknown = body.keys() - _FIELDS
    if unknown:
        return f"{min(unknown)}: Extra inputs are not permitted"
    if type(body.get("max_tokens")) is not int:
        return "max_tokens: Field required"
    sides = [turn["role"] for turn in body["messages"]]
    if sides != ["user", "assistant"] * (len(sides) // 2) + ["user"]:
        return "messages: roles must alternate"
    calls: list[str] = []
    for turn in body["messages"]:
        blocks = turn["content"]
        kinds = [block["type"] for block in blocks]
        results = [block.get("tool_use_id") for block in blocks][: len(calls)]
        if results != calls:
            return "`tool_use` ids were found without `tool_result` blocks"
        if not kinds or any(block.get("text") == "" for block in blocks):
            return "text content blocks must be non-empty"
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        if calls and blocks[0] != THOUGHT:
            return "`thinking` blocks cannot be modified"
    return ""


def _heard(body: Mapping[str, Any]) -> Heard:
    last = body["messages"][-1]["content"]
    texts = [block["text"] for block in last if block["type"] == "text"]
    sources = [block["source"] for block in last if block["type"] == "image"]
    callable_ = body.get("tool_choice", {}).get("type") != "none"
    return Heard(
        text=texts[-1] if texts else "",
        pictures=[(s["media_type"], base64.b64decode(s["data"])) for s in sources],
        tools=[tool["name"] for tool in body.get("tools", ())] if callable_ else (),
        results=[
            (block["tool_use_id"], block["content"][0]["text"])
            for block in last
            if block["type"] == "tool_result"
        ],
        structured="format" in body.get("output_config", {}),
    )


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    if not turn.calls:
        return [{"type": "text", "text": turn.text}]
    uses = [
        {
            "type": "tool_use",
            "id": f"toolu_0{place}",
            "name": call.name,
            "input": call.arguments,
            "caller": {"type": "direct"},
        }
        for place, call in enumerate(turn.calls)
    ]
    return [THOUGHT, *uses]


def _message(content: Sequence[object], body: Mapping[str, Any]) -> dict[str, Any]:
    message = {"id": "msg_011", "type": "message", "role": "assistant"}
    ends = {"stop_reason": None, "stop_sequence": None}
    rest = {"model": body["model"], "content": content, "usage": _USAGE}
    return {**message, **ends, **rest}


def _reason(turn: Turn) -> str:
    return "tool_use" if turn.calls else "end_turn"


def _whole(turn: Turn, body: Mapping[str, Any]) -> Said:
    message = _message(_blocks(turn), body)
    return Said.json({**message, "stop_reason": _reason(turn)})


def _streamed(turn: Turn, body: Mapping[str, Any]) -> Said:
    events = _events(turn, body)
    return Said(200, SSE, [event(_padded(said), said["type"]) for said in events])


def _padded(said: Mapping[str, Any]) -> str:
    """As Anthropic writes it, with blanks before the last brace."""
    return json.dumps(said, ensure_ascii=False)[:-1] + "   }"


def _events(turn: Turn, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": _message([], body)}
    for index, block in enumerate(_blocks(turn)):
        place = {"index": index}
        start, deltas = _pieces(block, turn)
        yield {"type": "content_block_start", **place, "content_block": start}
        yield {"type": "ping"}
        for delta in deltas:
            yield {"type": "content_block_delta", **place, "delta": delta}
        yield {"type": "content_block_stop", **place}
    end = {"stop_reason": _reason(turn), "stop_sequence": None}
    yield {"type": "message_delta", "delta": end, "usage": _USAGE}
    yield {"type": "message_stop"}


def _pieces(
    block: Mapping[str, Any], turn: Turn
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """How a block starts, and the deltas that fill it."""
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in turn.pieces]
            return {**block, "text": ""}, deltas
        case "thinking":
            signature = {"type": "signature_delta", "signature": block["signature"]}
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            return {**block, "thinking": "", "signature": ""}, [thought, signature]
    text = json.dumps(block["input"])
    pieces = ("", text[:4], text[4:])
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return {**block, "input": {}}, deltas


def upstream(url: str) -> Upstream:
    auth = KeyHeader("x-api-key", "")
    return Upstream(f"{url}/v1", "anthropic", Secret(KEY), auth=auth)


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    upstream_name="claude-sonnet-4-5",
    retry_after=3.0,
    errors={
        400: error(400, "invalid_request_error", "max_tokens: must be positive"),
        401: error(401, "authentication_error", "invalid x-api-key"),
        402: error(402, "billing_error", "Your payment failed"),
        403: error(403, "permission_error", "Your key may not use this"),
        404: error(404, "not_found_error", "model: claude-sonet-4-5"),
        413: error(413, "request_too_large", "Request exceeds the maximum size"),
        429: error(429, "rate_limit_error", "Too many tokens", {"retry-after": "3"}),
        500: error(500, "api_error", "Internal server error"),
        529: error(529, "overloaded_error", "Overloaded"),
    },
)
