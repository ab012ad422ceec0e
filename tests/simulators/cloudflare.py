"""Cloudflare Workers AI, the native endpoint: chats, pictures, and its envelope.

Source: Cloudflare documentation, "Workers AI"; recorded traffic.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from tests.simulators import Provider, openai
from tests.simulators.scene import KEY, Turn, reply
from tests.simulators.simulator import Asked, Said
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

_RUN = "/client/v4/accounts/ACCOUNT/ai/run"
_NAME = "@cf/simulated/simulated-1"
_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAAB"
    "JRU5ErkJggg=="
)
_UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"


def answer(asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return error(401, 10000, "Authentication error")
    name = asked.path.removeprefix(f"{_RUN}/")
    if asked.method != "POST" or not name.startswith("@cf/simulated/"):
        return error(400, 7000, "No route for that URI")
    if name.endswith("flux-2"):
        return _painted(asked)
    if name.endswith("diffusion"):
        return Said(200, {"content-type": "image/png"}, _PNG)
    body = asked.json
    wrong = _wrong(body)
    if wrong:
        return error(400, 5006, f"AiError: AiError: {wrong} ({_UUID})")
    turn = reply(openai.heard(body))
    if body.get("stream"):
        return _streamed(turn)
    return _whole(turn, structured="response_format" in body)


def error(status: int, code: int, message: str, **headers: str) -> Said:
    said = {
        "success": False,
        "errors": [{"code": code, "message": message}],
        "result": {},
        "messages": [],
    }
    return Said.json(said, status, headers)


def enveloped(result: object) -> Said:
    return Said.json({"result": result, "success": True, "errors": [], "messages": []})


def _wrong(body: Mapping[str, Any]) -> str:
    """What this endpoint refuses, and OpenAI's does not."""
    if any(message.get("content") is None for message in body["messages"]):
        return "null is no content"
    if any(message["role"] == "developer" for message in body["messages"]):
        return "no such role"
    if isinstance(body.get("tool_choice"), dict):
        return "a tool cannot be named"
    form = body.get("response_format") or {}
    if "schema" in form.get("json_schema", {}):
        return "the schema has to stand bare"
    return ""


def _whole(turn: Turn, *, structured: bool) -> Said:
    """Calls in the old form; forms as newer models answer, text as old ones do."""
    if turn.calls:
        calls = [{"name": c.name, "arguments": c.arguments} for c in turn.calls]
        return enveloped({"response": None, "tool_calls": calls, "usage": _USAGE})
    if structured:
        choice = {
            "index": 0,
            "message": {"role": "assistant", **openai.said(turn)},
            "finish_reason": "stop",
        }
        completion = {"object": "chat.completion", "choices": [choice]}
        old = {"response": json.loads(turn.text), "tool_calls": []}
        return enveloped({**completion, **old, "usage": _USAGE})
    return enveloped({"response": turn.text, "tool_calls": [], "usage": _USAGE})


_USAGE = {**openai.USAGE, "neurons": 3.94}


def _streamed(turn: Turn) -> Said:
    """Text in the old form, calls in OpenAI's chunks; the usage comes last."""
    chunks: list[object] = [
        {"response": piece, "tool_calls": [], "p": "abdefgh"} for piece in turn.pieces
    ]
    if turn.calls:
        null = {"id": None, "index": 0, "function": {"name": None, "arguments": None}}
        chunks = [*openai.chunks(turn, {"model": _NAME})[:-1]]
        chunks.append({"choices": [{"index": 0, "delta": {"tool_calls": [null]}}]})
    return Said.events(*chunks, {"response": "", "usage": _USAGE}, "[DONE]")


def _painted(asked: Asked) -> Said:
    if not asked.headers.get("content-type", "").startswith("multipart/form-data;"):
        return error(400, 5006, "required properties at '/' are 'multipart'")
    return enveloped({"image": base64.b64encode(_PNG).decode()})


def upstream(url: str) -> Upstream:
    return Upstream(url + _RUN, "cloudflare", Secret(KEY))


_SPENT = "you have used up your daily free allocation of 10,000 neurons"

PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    upstream_name=_NAME,
    errors={
        400: error(
            400, 3030, f"AiError: AiError: 5000 is too large, max is 2048 ({_UUID})"
        ),
        401: error(401, 10000, "Authentication error"),
        404: error(404, 3042, "Invalid model name"),
        408: error(408, 3046, f"AiError: AiError: Request timeout ({_UUID})"),
        413: error(413, 3006, "Request is too large"),
        429: error(429, 4006, _SPENT, date="Tue, 03 Nov 2026 10:00:00 GMT"),
        500: Said(520, {"content-type": "text/html"}, b"<html>520</html>"),
        503: error(503, 3040, "Capacity temporarily exceeded, please try again."),
    },
    retry_after=50_400.0,
)
