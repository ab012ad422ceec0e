"""GigaChat: tokens, chats of the first contract, pictures as files, and vectors."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.simulators import ALL, Ability, Provider
from tests.simulators.scene import (
    COMPLETION_TOKENS,
    KEY,
    PROMPT_TOKENS,
    Heard,
    Turn,
    reply,
)
from tests.simulators.simulator import Asked, Said
from tproxy.core.model import ClientCredentials, Upstream
from tproxy.core.secret import Secret

STATE = "0199e210-2f13-744c-8fe5-c9a19fe27db7"
PICTURE = "3727db23-91a3-44fa-a6b7-9f0a311d3e9e"
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 100
_TOKEN = "eyJzaW11bGF0ZWQ.token"
_API = "/api/v1"
_SCOPE = "GIGACHAT_API_B2B"
_FOREVER = 4_102_444_800_000  # milliseconds, in the year 2100
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_USAGE = {
    "prompt_tokens": PROMPT_TOKENS,
    "completion_tokens": COMPLETION_TOKENS,
    "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    "precached_prompt_tokens": 2,
}


def answer(asked: Asked) -> Said:
    if asked.path == "/api/v2/oauth":
        return _granted(asked)
    if asked.headers.get("authorization") != f"Bearer {_TOKEN}":
        return error(401, "Unauthorized")
    match asked.path.removeprefix(_API):
        case "/chat/completions":
            return _chat(asked.json)
        case "/embeddings":
            return _vectors(asked.json["input"])
        case path if path == f"/files/{PICTURE}/content":
            return Said(200, {"content-type": "application/jpg"}, JPEG)
    return error(404, "Not Found")


def error(status: int, message: str) -> Said:
    return Said.json({"status": status, "message": message}, status)


def _granted(asked: Asked) -> Said:
    if not _UUID(asked.headers.get("rquid", "")):
        return Said.json({"code": 3, "message": "RqUID is invalid"}, 400)
    if asked.headers.get("authorization") != f"Basic {KEY}":
        said = {"code": 6, "message": "credentials doesn't match db data"}
        return Said.json(said, 401)
    if asked.body != f"scope={_SCOPE}".encode():
        words = "scope from db not fully includes consumed scope"
        return Said.json({"code": 7, "message": words}, 401)
    return Said.json({"access_token": _TOKEN, "expires_at": _FOREVER})


def _chat(body: Mapping[str, Any]) -> Said:
    wrong = _wrong(body["messages"])
    if wrong:
        return error(422, f"Invalid params: {wrong}")
    if body.get("function_call") == "auto" and "functions" not in body:
        drawn = {"content": f'<img src="{PICTURE}" fuse="true"/> Drawn.'}
        return _whole({"role": "assistant", **drawn}, "stop")
    turn = reply(_heard(body))
    return _streamed(turn) if body.get("stream") else _whole(*_message(turn))


def _wrong(messages: Sequence[Mapping[str, Any]]) -> str:
    """What GigaChat refuses, and OpenAI does not."""
    for place, message in enumerate(messages):
        if message["role"] not in ("system", "user", "assistant", "function"):
            return "no such role"
        if message["role"] == "system" and place:
            return "system message must be the first message"
        if not isinstance(message["content"], str):
            return "content must be a string"
        if message["role"] == "function":
            if not isinstance(json.loads(message["content"]), dict):
                return "content must be an object"
            if messages[place - 1].get("functions_state_id") != STATE:
                return "the state is another one"
        call = message.get("function_call")
        if call and not isinstance(call["arguments"], dict):
            return "arguments must be an object"
    return ""


def _heard(body: Mapping[str, Any]) -> Heard:
    messages = body["messages"]
    users = [m["content"] for m in messages if m["role"] == "user"]
    results = []
    if messages[-1]["role"] == "function":
        results = [
            (messages[-1]["name"], json.loads(messages[-1]["content"])["result"])
        ]
    callable_ = body.get("function_call") != "none"
    return Heard(
        text=users[-1] if users else "",
        tools=[f["name"] for f in body.get("functions", ())] if callable_ else (),
        results=results,
        structured="response_format" in body,
    )


def _message(turn: Turn) -> tuple[dict[str, object], str]:
    if not turn.calls:
        return {"role": "assistant", "content": turn.text}, "stop"
    [call] = turn.calls
    function = {"name": call.name, "arguments": call.arguments}
    said = {"content": "", "role": "assistant", "function_call": function}
    return {**said, "functions_state_id": STATE}, "function_call"


def _whole(message: Mapping[str, object], finish: str) -> Said:
    choice = {"message": message, "index": 0, "finish_reason": finish}
    return Said.json(_enveloped(choice) | {"usage": _USAGE})


def _streamed(turn: Turn) -> Said:
    """Phrases, or a call in one piece; the usage comes with the finish reason."""
    message, finish = _message(turn)
    deltas = [message] if turn.calls else [{"content": p} for p in turn.pieces]
    last = {"delta": {"content": ""}, "index": 0, "finish_reason": finish}
    return Said.events(
        *(_enveloped({"delta": delta, "index": 0}) for delta in deltas),
        _enveloped(last) | {"usage": _USAGE},
        "[DONE]",
    )


def _enveloped(choice: Mapping[str, object]) -> dict[str, object]:
    return {
        "choices": [choice],
        "created": 1_768_996_178,
        "model": "GigaChat:2.0.28.2",
        "object": "chat.completion",
    }


def _vectors(texts: Sequence[str]) -> Said:
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": [0.5, float(len(text))],
            "usage": {"prompt_tokens": 1},
        }
        for index, text in enumerate(texts)
    ]
    return Said.json({"object": "list", "model": "Embeddings", "data": data})


def upstream(url: str) -> Upstream:
    auth = ClientCredentials(f"{url}/api/v2/oauth")
    return Upstream(url + _API, "gigachat", Secret(KEY), auth=auth)


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    upstream_name="GigaChat-2",
    # A picture has to be uploaded in a request of its own first.
    abilities=ALL - {Ability.VISION, Ability.PARALLEL_TOOLS},
    errors={
        400: error(400, "Bad request"),
        401: error(401, "Unauthorized"),
        402: error(402, "Payment Required"),
        404: error(404, "No such model"),
        413: error(413, "Request Entity Too Large"),
        422: error(
            422, "Invalid params: repetition_penalty must be in range (0, +inf)"
        ),
        429: error(429, "Too many requests"),
        500: error(500, "Internal Server Error"),
    },
)
