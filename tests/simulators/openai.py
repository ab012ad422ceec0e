"""OpenAI, and the pattern for all others: read what is asked, reply, put it in words.

Source: OpenAI API reference, "Chat", "Streaming" and "Error codes".
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from tests.simulators import Provider, scene
from tests.simulators.scene import Heard, Turn
from tests.simulators.simulator import Asked, Said
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

CREATED = 1_750_000_000
USAGE = {
    "prompt_tokens": scene.PROMPT_TOKENS,
    "completion_tokens": scene.COMPLETION_TOKENS,
    "total_tokens": scene.PROMPT_TOKENS + scene.COMPLETION_TOKENS,
}


def upstream(url: str) -> Upstream:
    return Upstream(f"{url}/v1/chat/completions", "openai", Secret(scene.KEY))


def error(status: int, type: str, message: str, code: str | None = None) -> Said:
    envelope = {"message": message, "type": type, "param": None, "code": code}
    return Said.json({"error": envelope}, status)


REFUSED = error(
    *(401, "invalid_request_error", "Incorrect API key provided."), "invalid_api_key"
)


def answer(asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {scene.KEY}":
        return REFUSED
    if (asked.method, asked.path) != ("POST", "/v1/chat/completions"):
        return error(404, "invalid_request_error", "No such route.")
    body = asked.json
    turn = scene.reply(heard(body))
    if body.get("stream"):
        return streamed(turn, body)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "refusal": None, **said(turn)},
        "logprobs": None,
        "finish_reason": finish(turn),
    }
    return Said.json({**head(body, ""), "choices": [choice], "usage": USAGE})


def heard(body: Mapping[str, Any]) -> Heard:
    messages = body["messages"]
    results: list[tuple[str, str]] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, (message["tool_call_id"], message["content"]))
    texts: list[str] = []
    pictures: list[tuple[str, bytes]] = []
    users = [message for message in messages if message["role"] == "user"]
    content = users[-1]["content"] if users else ""
    parts: list[Any] = [{"text": content}] if isinstance(content, str) else content
    for part in parts:
        if "image_url" in part:
            kind, _, data = part["image_url"]["url"][5:].partition(";base64,")
            pictures.append((kind, base64.b64decode(data)))
        else:
            texts.append(part["text"])
    form = body.get("response_format") or {}
    return Heard(
        text="".join(texts),
        pictures=pictures,
        tools=[tool["function"]["name"] for tool in body.get("tools", ())],
        results=results,
        structured=form.get("type") == "json_schema",
    )


def head(body: Mapping[str, Any], kind: str) -> dict[str, object]:
    return {
        "id": "chatcmpl-simulated",
        "object": f"chat.completion{kind}",
        "created": CREATED,
        "model": body["model"],
    }


def said(turn: Turn) -> dict[str, object]:
    if not turn.calls:
        return {"content": turn.text}
    calls = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.json},
        }
        for place, call in enumerate(turn.calls)
    ]
    return {"content": None, "tool_calls": calls}


def finish(turn: Turn) -> str:
    return "tool_calls" if turn.calls else "stop"


def streamed(turn: Turn, body: Mapping[str, Any]) -> Said:
    told = chunks(turn, body)
    if (body.get("stream_options") or {}).get("include_usage"):
        told = [{**chunk, "usage": None} for chunk in told]
        told.append({**head(body, ".chunk"), "choices": [], "usage": USAGE})
    return Said.events(*told, "[DONE]")


def chunks(turn: Turn, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a stream says, but for the usage; the last has the finish reason."""
    deltas: list[dict[str, object]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in turn.pieces]
    for place, call in enumerate(turn.calls):
        begun = {"name": call.name, "arguments": ""}
        opening = {"index": place, "id": f"call_{place}", "type": "function"}
        deltas.append({"tool_calls": [{**opening, "function": begun}]})
        for piece in (call.json[:4], call.json[4:]):
            more = {"index": place, "function": {"arguments": piece}}
            deltas.append({"tool_calls": [more]})
    ends = [*([None] * len(deltas)), finish(turn)]
    choices = [
        {"index": 0, "delta": delta, "finish_reason": end}
        for delta, end in zip([*deltas, {}], ends, strict=True)
    ]
    common = head(body, ".chunk")
    return [{**common, "choices": [choice]} for choice in choices]


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    errors={
        429: Said.json(
            {
                "error": {
                    "message": "Rate limit reached. Please try again in 3s.",
                    "type": "requests",
                    "param": None,
                    "code": "rate_limit_exceeded",
                }
            },
            429,
            {"Retry-After": "3"},
        ),
        500: error(500, "server_error", "The server had an error."),
    },
    retry_after=3.0,
)
