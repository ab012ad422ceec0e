"""Gemini, of the third generation: chats, images and vectors.

Strict as the real one: no key in a URL, no field it does not know, as many results as
calls, and each turn of calls with its signature. Source: Gemini API reference.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
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

MODEL = "gemini-3-flash-preview"
SIGNATURE = "CiQBcsjafHZTzmdwT4VdIPd5yO2zQB+/x-_w=="
ID = "8ci92gm"
STAND_IN = "skip_thought_signature_validator"
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
RESPONSE_ID = "mVP6adOKCunUz7IP5vXVqQ0"
THOUGHTS = 3  # of the tokens of each answer
_BASE = "/v1beta/models/"
_FIELDS = {
    *("contents", "systemInstruction", "generationConfig", "tools", "toolConfig"),
    *("safetySettings", "cachedContent"),
}


def answer(asked: Asked) -> Said:
    if asked.query.get("key") or asked.headers.get("x-goog-api-key") != KEY:
        return error(400, "INVALID_ARGUMENT", "API key not valid. Please pass one.")
    model, _, verb = asked.path.removeprefix(_BASE).partition(":")
    match verb:
        case "generateContent" | "streamGenerateContent" if model.startswith("gemini"):
            fault = _fault(asked.json)
            if fault:
                return error(400, "INVALID_ARGUMENT", fault)
            if "image" in model:
                return Said.json(_whole([_picture()], "STOP"))
            return _chat(asked, stream=verb.startswith("stream"))
        case "predict" if model.startswith("imagen"):
            made = {"mimeType": "image/png", "bytesBase64Encoded": PNG}
            count = asked.json["parameters"]["sampleCount"]
            return Said.json({"predictions": [made] * count})
        case "batchEmbedContents":
            vectors = [{"values": [0.5, -0.25]} for _ in asked.json["requests"]]
            return Said.json({"embeddings": vectors})
    return error(404, "NOT_FOUND", f"models/{model} is not found, or not for {verb}.")


def error(status: int, code: str, message: str, *details: object) -> Said:
    said = {"code": status, "message": message, "status": code}
    return Said.json(
        {"error": {**said, **({"details": details} if details else {})}}, status
    )


def _fault(body: Mapping[str, Any]) -> str:
    """What the real one would refuse; "" for nothing."""
    for name in body:
        if name not in _FIELDS:
            return f'Invalid JSON payload received. Unknown name "{name}"'
    calls: list[Any] = []
    before = ""
    for content in body["contents"]:
        parts = content["parts"]
        results = [part for part in parts if "functionResponse" in part]
        if len(results) != len(calls):
            return "The number of function response parts is not that of the calls."
        calls = [part for part in parts if "functionCall" in part]
        if calls and before != "user":
            return "A function call turn has to come after a user turn."
        if calls and calls[0].get("thoughtSignature") != _signature_of(calls[0]):
            return "Function call is missing a thought_signature."
        before = content["role"]
    return "" if before == "user" and not calls else "The last turn has to be a user's."


def _signature_of(call: Mapping[str, Any]) -> str:
    ours = call["functionCall"]["id"].startswith(ID)
    return SIGNATURE if ours else STAND_IN


def _chat(asked: Asked, *, stream: bool) -> Said:
    turn = reply(_heard(asked.json))
    if not stream:
        parts = _calls(turn) or [{"text": turn.text, "thoughtSignature": SIGNATURE}]
        return Said.json(_whole(parts, "STOP"))
    told = [[{"text": "**Considering**\n", "thought": True}]]
    told += [_calls(turn)] if turn.calls else [[{"text": one}] for one in turn.pieces]
    last: list[Any] = [{"text": "", "thoughtSignature": SIGNATURE}]
    events = [*(_whole(parts, None) for parts in told), _whole(last, "STOP")]
    if asked.query.get("alt") == "sse":
        return Said(200, SSE, [event(one, end="\r\n") for one in events])
    spelled = [json.dumps(one, indent=2).encode() for one in events]
    return Said(body=[b"[", b"\n,\r\n".join(spelled), b"\n]"])


def _heard(body: Mapping[str, Any]) -> Heard:
    parts = body["contents"][-1]["parts"]
    results = [part["functionResponse"] for part in parts if "functionResponse" in part]
    media = [part["inlineData"] for part in parts if "inlineData" in part]
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    declared = [
        one for tool in body.get("tools", ()) for one in tool["functionDeclarations"]
    ]
    config = body.get("generationConfig", {})
    return Heard(
        text="".join(part.get("text", "") for part in parts),
        pictures=[(one["mimeType"], base64.b64decode(one["data"])) for one in media],
        tools=[one["name"] for one in declared]
        if calling.get("mode") != "NONE"
        else (),
        results=[(one["name"], one["response"]["result"]) for one in results],
        structured="responseJsonSchema" in config,
    )


def _calls(turn: Turn) -> list[Any]:
    """Only the first of several is signed."""
    calls: list[Any] = [
        {
            "functionCall": {
                "id": f"{ID}{place}",
                "name": one.name,
                "args": one.arguments,
            }
        }
        for place, one in enumerate(turn.calls)
    ]
    if calls:
        calls[0]["thoughtSignature"] = SIGNATURE
    return calls


def _picture() -> dict[str, object]:
    return {"inlineData": {"mimeType": "image/jpeg", "data": PNG}}


def _whole(parts: Sequence[object], finish: str | None) -> dict[str, object]:
    candidate: dict[str, object] = {
        "content": {"role": "model", "parts": parts},
        **({"finishReason": finish} if finish else {}),
        "index": 0,
    }
    return {
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": PROMPT_TOKENS,
            "candidatesTokenCount": COMPLETION_TOKENS - THOUGHTS,
            "thoughtsTokenCount": THOUGHTS,
            "totalTokenCount": PROMPT_TOKENS + COMPLETION_TOKENS,
        },
        "modelVersion": MODEL,
        "responseId": RESPONSE_ID,
    }


def upstream(url: str) -> Upstream:
    auth = KeyHeader("x-goog-api-key", scheme="")
    return Upstream(f"{url}/v1beta", "gemini", Secret(KEY), auth=auth)


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    errors={
        429: error(
            *(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
            {
                "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [
                    {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"}
                ],
            },
            {
                "@type": "type.googleapis.com/google.rpc.RetryInfo",
                "retryDelay": "3.4s",
            },
        ),
        500: error(500, "INTERNAL", "An internal error has occurred."),
    },
    upstream_name=MODEL,
    retry_after=4.0,
)
