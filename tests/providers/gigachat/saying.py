"""What GigaChat says, in both contracts."""

from __future__ import annotations

import json
from typing import Any, Final

from tproxy.core.upstream import UpstreamHead

JSON: Final = UpstreamHead(200, {"content-type": "application/json; charset=utf-8"})
SSE: Final = UpstreamHead(200, {"content-type": "text/event-stream"})
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 17, "completion_tokens": 3, "precached_prompt_tokens": 2}
USAGE_V2 = {
    "input_tokens": 17,
    "input_tokens_details": {"prompt_tokens": 17, "cached_tokens": 2},
    "output_tokens": 3,
}
TOLD = {
    "prompt_tokens": 17,
    "completion_tokens": 3,
    "total_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 2},
}
FINISHES: Final = [
    ("stop", "stop"),
    ("length", "length"),
    ("blacklist", "content_filter"),
    ("response_blacklist", "content_filter"),
    ("request_filter", "content_filter"),
    ("function_call", "stop"),  # of a function of its own
    ("news", "stop"),
    (None, "stop"),
]
CALL = {"name": "weather", "arguments": {"city": "Рим"}}


def v1(finish: object = "stop", part: str = "message", **message: object) -> Any:
    choice = {"index": 0, part: message, "finish_reason": finish}
    return {"choices": [choice], "created": 1_768_996_171, "object": "chat.completions"}


def v2(*parts: object, finish: object = "stop", **message: object) -> dict[str, Any]:
    said = {"role": "assistant", "content": parts, **message}
    return {"created_at": 1_768_996_171, "messages": [said], "finish_reason": finish}


def delta(finish: object = None, **delta: object) -> bytes:
    return event(v1(finish, "delta", **delta))


def event(said: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(said)}\n\n".encode()
