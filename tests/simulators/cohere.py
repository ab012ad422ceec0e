"""Cohere's second version: plans before calls, typed events, flat errors.

Strict as the real one: no field it does not know, no content that is null, a result for
each call. Source: Cohere API reference.
"""

from __future__ import annotations

import base64
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
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

PLAN = "I will use a tool."
TRIAL = "You are using a Trial key, which is limited to {} API calls / {}."
_FIELDS = {"model", "messages", "stream", "tools", "tool_choice", "strict_tools"}
_FIELDS |= {"max_tokens", "temperature", "p", "k", "seed", "stop_sequences"}
_FIELDS |= {"presence_penalty", "frequency_penalty", "response_format", "thinking"}
_FIELDS |= {"documents", "citation_options", "safety_mode", "priority"}
_USAGE = {
    "billed_units": {"input_tokens": 1, "output_tokens": 2},
    "tokens": {"input_tokens": PROMPT_TOKENS, "output_tokens": COMPLETION_TOKENS},
    "cached_tokens": 3,
}


def answer(asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return error(401, "invalid api token")
    match asked.path:
        case "/v2/chat":
            fault = _fault(asked.json)
            return error(*fault) if fault else _chat(asked.json)
        case "/v2/embed":
            return _vectors(asked.json)
    return error(404, "page not found")


def error(status: int, message: str, kind: str = "") -> Said:
    more = {"error_type": kind} if kind else {}
    return Said.json({"id": "e-1", "message": message, **more}, status)


def _fault(body: Mapping[str, Any]) -> tuple[int, str] | None:
    """What Cohere refuses, and OpenAI does not."""
    unknown = body.keys() - _FIELDS
    if unknown:
        return 422, f"unknown field: parameter '{min(unknown)}' is not a valid field"
    if body.get("tool_choice", "NONE") not in ("REQUIRED", "NONE"):
        return 400, "invalid request: unknown tool choice"
    if "tools" in body and "response_format" in body:
        return 400, "invalid request: response_format with tools"
    calls: list[str] = []
    for message in body["messages"]:
        if message["role"] == "tool":
            if not calls or message["tool_call_id"] != calls.pop(0):
                return 400, "invalid request: a result of no call"
        elif calls:
            return 400, "invalid request: a call without a result"
        if message.get("content", "") is None:
            return 400, "invalid request: content is null"
        if message.get("tool_calls"):
            if message.get("tool_plan") != PLAN:
                return 400, "invalid request: the plan is another one"
            calls = [call["id"] for call in message["tool_calls"]]
    return None


def _chat(body: Mapping[str, Any]) -> Said:
    turn = reply(_heard(body))
    if body["stream"]:
        return Said(200, SSE, [*_events(turn), event("[DONE]")])
    message: dict[str, Any] = {"role": "assistant"}
    if turn.calls:
        message |= {"tool_plan": PLAN, "tool_calls": _calls(turn)}
    else:
        message |= {"content": [{"type": "text", "text": turn.text}]}
    end = {"finish_reason": _finish(turn), "usage": _USAGE}
    return Said.json({"id": "46752333-4b62", "message": message, **end})


def _heard(body: Mapping[str, Any]) -> Heard:
    messages = body["messages"]
    content = [m["content"] for m in messages if m["role"] == "user"][-1]
    parts = content if isinstance(content, list) else [{"text": content}]
    last = next(n for n, m in enumerate(reversed(messages)) if m["role"] != "tool")
    callable_ = body.get("tool_choice") != "NONE"
    tools = body.get("tools", ()) if callable_ else ()
    return Heard(
        text="".join(part.get("text", "") for part in parts),
        pictures=[
            _picture(part["image_url"]["url"]) for part in parts if "image_url" in part
        ],
        tools=[tool["function"]["name"] for tool in tools],
        results=[
            (message["tool_call_id"], message["content"])
            for message in messages[len(messages) - last :]
        ],
        structured="json_schema" in body.get("response_format", {}),
    )


def _picture(url: str) -> tuple[str, bytes]:
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return kind, base64.b64decode(data)


def _calls(turn: Turn) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{call.name}_{place}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.json},
        }
        for place, call in enumerate(turn.calls)
    ]


def _finish(turn: Turn) -> str:
    return "TOOL_CALL" if turn.calls else "COMPLETE"


def _events(turn: Turn) -> Iterator[bytes]:
    start = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}
    yield _event("message-start", start, id="46752333-4b62")
    if turn.calls:
        for word in PLAN.split(" "):
            space = "" if word == "I" else " "
            yield _event("tool-plan-delta", {"tool_plan": space + word})
    for index, call in enumerate(_calls(turn)):
        function = call["function"]
        empty = {**call, "function": {**function, "arguments": ""}}
        yield _event("tool-call-start", {"tool_calls": empty}, index=index)
        for piece in (function["arguments"][:2], function["arguments"][2:]):
            more = {"tool_calls": {"function": {"arguments": piece}}}
            yield _event("tool-call-delta", more, index=index)
        yield _event("tool-call-end", None, index=index)
    if turn.text:
        empty = {"content": {"type": "text", "text": ""}}
        yield _event("content-start", empty, index=0)
        for piece in turn.pieces:
            yield _event("content-delta", {"content": {"text": piece}}, index=0)
        for number in range(2):
            citation = {"start": number, "end": number + 2, "text": "…"}
            yield _event("citation-start", {"citations": citation}, index=number)
            yield _event("citation-end", None, index=number)
        yield _event("content-end", None, index=0)
    delta = {"finish_reason": _finish(turn), "usage": _USAGE}
    yield event({"type": "message-end", "delta": delta}, "message-end")


def _event(kind: str, message: Mapping[str, Any] | None, **more: object) -> bytes:
    delta = {} if message is None else {"delta": {"message": message}}
    return event({"type": kind, **more, **delta}, kind)


def _vectors(body: Mapping[str, Any]) -> Said:
    texts: Sequence[str] = body["texts"]
    if not texts or len(texts) > 96:
        return error(400, "invalid request: texts must be at most 96")
    made = [[0.5, float(len(text))] for text in texts]
    meta = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 3}}
    return Said.json({"id": "e", "embeddings": {"float": made}, "meta": meta})


def upstream(url: str) -> Upstream:
    return Upstream(f"{url}/v2", "cohere", Secret(KEY))


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    upstream_name="command-a-plus-05-2026",
    errors={
        400: error(400, "too many tokens: size limit exceeded", "TOO_MANY_TOKENS"),
        401: error(401, "invalid api token"),
        404: error(404, "model 'x' not found"),
        422: error(422, "unknown field"),
        429: error(429, TRIAL.format(20, "minute")),
        498: error(498, "invalid token"),
        500: error(500, "internal server error"),
        503: error(503, "service unavailable"),
    },
)
