"""Ollama's own API: lines of JSON, bare pictures, results by the name of the tool.

Strict where the real one is quiet: no field it does not know. Source: Ollama's API
reference.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.simulators import Provider
from tests.simulators.scene import (
    COMPLETION_TOKENS,
    KEY,
    PROMPT_TOKENS,
    Heard,
    Turn,
    reply,
)
from tests.simulators.simulator import Asked, Said
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

LINES = {"content-type": "application/x-ndjson"}
PNG = b"\x89PNG"
_FIELDS = {"model", "messages", "stream", "tools", "format", "options", "think"}
_FIELDS |= {"keep_alive"}
_OPTIONS = {"temperature", "top_p", "top_k", "seed", "stop", "num_predict", "num_ctx"}
_OPTIONS |= {"presence_penalty", "frequency_penalty"}
_MESSAGE = {"role", "content", "images", "thinking", "tool_calls"}
_MESSAGE |= {"tool_name", "tool_call_id"}


def answer(asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return error(401, "unauthorized")
    match asked.path:
        case "/api/chat":
            fault = _fault(asked.json)
            return error(400, fault) if fault else _chat(asked.json)
        case "/api/embed":
            return _vectors(asked.json)
    return Said(404, {"content-type": "text/plain"}, b"404 page not found")


def error(status: int, message: str) -> Said:
    return Said.json({"error": message}, status)


def _fault(body: Mapping[str, Any]) -> str:
    unknown = {*(body.keys() - _FIELDS), *(body.get("options", {}).keys() - _OPTIONS)}
    for message in body["messages"]:
        unknown |= message.keys() - _MESSAGE
        for call in message.get("tool_calls", ()):
            if not isinstance(call["function"]["arguments"], dict):
                return "json: cannot unmarshal string into arguments"
    return f"unknown field {min(unknown)}" if unknown else ""


def _chat(body: Mapping[str, Any]) -> Said:
    turn = reply(_heard(body))
    end = {
        "done_reason": "stop",
        "done": True,
        "total_duration": 883_583_458,
        "prompt_eval_count": PROMPT_TOKENS,
        "eval_count": COMPLETION_TOKENS,
    }
    if not body["stream"]:
        message = {
            "content": turn.text,
            **({"tool_calls": _calls(turn)} if turn.calls else {}),
        }
        return Said.json(_told(message, **end))
    lines = [*_pieces(turn), _told({"content": ""}, **end)]
    return Said(200, LINES, [json.dumps(line).encode() + b"\n" for line in lines])


def _pieces(turn: Turn) -> Iterator[object]:
    for piece in turn.pieces:
        yield _told({"content": piece}, done=False)
    for call in _calls(turn):
        yield _told({"content": "", "tool_calls": [call]}, done=False)


def _told(message: Mapping[str, object], **more: object) -> dict[str, object]:
    return {
        "model": "simulated-1",
        "created_at": "2026-01-14T09:24:17.590997Z",
        "message": {"role": "assistant", **message},
        **more,
    }


def _calls(turn: Turn) -> list[dict[str, Any]]:
    return [
        {"function": {"index": place, "name": call.name, "arguments": call.arguments}}
        for place, call in enumerate(turn.calls)
    ]


def _heard(body: Mapping[str, Any]) -> Heard:
    messages = body["messages"]
    user = [message for message in messages if message["role"] == "user"][-1]
    last = next(n for n, m in enumerate(reversed(messages)) if m["role"] != "tool")
    pictures = [base64.b64decode(image) for image in user.get("images", ())]
    return Heard(
        text=user["content"],
        pictures=[
            ("image/png" if data.startswith(PNG) else "unknown", data)
            for data in pictures
        ],
        tools=[tool["function"]["name"] for tool in body.get("tools", ())],
        results=[
            (message["tool_name"], message["content"])
            for message in messages[len(messages) - last :]
        ],
        structured=isinstance(body.get("format"), dict),
    )


def _vectors(body: Mapping[str, Any]) -> Said:
    made = [[0.5, float(len(text))] for text in body["input"]]
    return Said.json({"model": "e", "embeddings": made, "prompt_eval_count": 3})


def upstream(url: str) -> Upstream:
    return Upstream(f"{url}/api/chat", "ollama", Secret(KEY))


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    errors={
        400: error(400, "invalid options: temperature"),
        401: error(401, "unauthorized"),
        404: error(404, "model 'x' not found"),
        429: error(429, "you have reached your hourly usage limit"),
        500: error(500, "llama runner process has terminated"),
        503: error(
            503, "server busy, please try again. maximum pending requests exceeded"
        ),
    },
)
