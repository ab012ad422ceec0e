"""OpenRouter: comments and blank lines while it works, errors in many places.

Source: openrouter.ai, "Errors and Debugging" and "Streaming"; recorded traffic.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from tests.simulators import Provider, openai
from tests.simulators.scene import KEY, Turn, reply
from tests.simulators.simulator import Asked, Said, event
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

_PATH = "/api/v1/chat/completions"
_WORKING = b": OPENROUTER PROCESSING\n\n"
_BLANK = b"\n         \n\n         \n"
_BESIDE = {"provider": "Simulated", "system_fingerprint": None}
_USAGE = {**openai.USAGE, "cost": 0.0007, "is_byok": False}


def answer(asked: Asked) -> Said:
    if asked.path != _PATH:
        return error(404, "Not Found")
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return error(401, "Missing Authentication header")
    body = asked.json
    turn = reply(openai.heard(body))
    if body.get("stream"):
        return attrs.evolve(Said.events(), body=[*_stream(turn, body)])
    choice = {
        "index": 0,
        "message": {"role": "assistant", "reasoning": None, **openai.said(turn)},
        "finish_reason": openai.finish(turn),
        "native_finish_reason": "end_turn",
    }
    said = {**openai.head(body, ""), **_BESIDE, "choices": [choice], "usage": _USAGE}
    whole = json.dumps(said, ensure_ascii=False).encode()
    return attrs.evolve(Said.json({}), body=_BLANK + whole)


def error(status: int, message: str, **metadata: object) -> Said:
    said = {"message": message, "code": status, "metadata": metadata}
    return Said.json({"error": said, "user_id": "user_1"}, status)


def _stream(turn: Turn, body: Mapping[str, Any]) -> Iterator[bytes]:
    """The role on each delta, and the finish reason again with the usage."""
    yield _WORKING
    chunks = openai.chunks(turn, body)
    for chunk in chunks:
        chunk["choices"][0]["delta"]["role"] = "assistant"
        yield event({**chunk, **_BESIDE}) + _WORKING
    if (body.get("stream_options") or {}).get("include_usage"):
        yield event({**chunks[-1], **_BESIDE, "usage": _USAGE})
    yield event("[DONE]")


def upstream(url: str) -> Upstream:
    return Upstream(url + _PATH, "openai", Secret(KEY), (("X-Title", "tproxy"),))


PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    errors={
        400: error(400, "Provider returned error", raw="bad `x`", provider_name="P"),
        401: error(401, "User not found."),
        402: error(402, "Insufficient credits"),
        404: error(404, "No endpoints found for vendor/simulated-1."),
        429: error(
            429,
            "Provider returned error",
            raw="simulated-1 is temporarily rate-limited upstream.",
            retry_after_seconds=7,
        ),
        500: error(500, "Internal Server Error"),
        502: error(502, "Provider returned error"),
        503: error(503, "No allowed providers are available"),
    },
    retry_after=7.0,
)
