"""Hugging Face: the router's chats, with Together's ways, and pictures of its own.

Source: Hugging Face documentation, "Inference Providers"; recorded traffic.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.simulators import Provider, openai
from tests.simulators.scene import KEY, Turn, reply
from tests.simulators.simulator import Asked, Said
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret

_PATH = "/v1/chat/completions"
_PICTURES = "/hf-inference/models/"
_BUSY = {"retry-after": "36"}  # with ordinary answers, too, where it means nothing
_PIXEL = base64.b64decode(
    "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8"
    "MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/yQALCAABAAEBAREA/8wABgAQEAX/2gAIAQEAAD8A0s8g/9"
    "k="
)
LOADING: Final = Said.json(
    {"error": "Model X is currently loading", "estimated_time": 20.0}, status=503
)


def answer(asked: Asked) -> Said:
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return Said.json({"error": "Invalid username or password."}, status=401)
    if asked.path.startswith(_PICTURES):
        return _picture(asked)
    if asked.path != _PATH:
        return Said(404, {"content-type": "text/plain"}, b"Not Found")
    body = asked.json
    turn = reply(openai.heard(body))
    if body.get("stream"):
        return Said.events(*_stream(turn, body), headers=_BUSY)
    choice = {
        "index": 0,
        "message": {"role": "assistant", **openai.said(turn), "content": turn.text},
        "finish_reason": openai.finish(turn),
        "seed": None,
    }
    said = {**openai.head(body, ""), "choices": [choice], "usage": openai.USAGE}
    return Said.json({**said, "prompt": []}, headers=_BUSY)


def _picture(asked: Asked) -> Said:
    if not isinstance(asked.json.get("inputs"), str):
        return Said.json({"error": ["Error in `inputs`: field required"]}, status=400)
    return Said(200, {"content-type": "image/jpeg"}, _PIXEL)


def _stream(turn: Turn, body: Mapping[str, Any]) -> Iterator[object]:
    """The role on each delta, the text beside it, and usage with the finish reason."""
    for chunk in openai.chunks(turn, body):
        [choice] = chunk["choices"]
        choice["delta"] |= {"role": "assistant", "token_id": 7}
        choice |= {"text": choice["delta"].get("content", ""), "seed": None}
        asked = (body.get("stream_options") or {}).get("include_usage")
        ends = choice["finish_reason"] is not None
        yield {**chunk, "usage": openai.USAGE if asked and ends else None}
    yield "[DONE]"


def upstream(url: str) -> Upstream:
    return Upstream(url + _PATH, "huggingface", Secret(KEY))


_UNSUPPORTED = {
    "message": "The requested model 'x' is not supported by any provider.",
    "type": "invalid_request_error",
    "param": "model",
    "code": "model_not_supported",
}

PROVIDER: Final = Provider(
    answer=answer,
    upstream=upstream,
    errors={
        400: Said.json({"error": ["Error in `inputs`: field required"]}, 400),
        401: Said.json({"error": "Invalid username or password."}, 401),
        402: Said.json(
            {"error": "You have exceeded your monthly included credits"}, 402
        ),
        404: Said.json({"error": _UNSUPPORTED}, 404),
        429: Said.json({"error": "Rate limit reached."}, 429, {"retry-after": "30"}),
        500: Said(500, {"content-type": "text/html"}, b"<html>500</html>"),
        503: LOADING,
    },
    retry_after=30.0,
)
