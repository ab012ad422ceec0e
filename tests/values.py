"""Values to test with, made in one call."""

from __future__ import annotations

import base64
import json
from typing import Any

from tproxy.core.budget import Limit, Unit
from tproxy.core.chat import ChatRequest
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.image import ImageRequest
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret
from tproxy.core.windows import Window

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
# One pixel, and no less than an image has to have.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAAB"
    "JRU5ErkJggg=="
)
PNG_BASE64 = base64.b64encode(PNG).decode()


def model(name: str = "a", **changes: Any) -> Model:
    upstream = Upstream(f"https://{name}.test/chat/completions", "openai", Secret(KEY))
    fields = {"provider": "p", "upstream_name": name, "upstream": upstream}
    return Model(name, **{**fields, **changes})


def per(seconds: float, requests: int) -> Limit:
    """At most so many requests in any stretch of so many seconds."""
    return Limit(Unit.REQUESTS, requests, Window(seconds))


def chat(content: object = "Hello", **fields: object) -> ChatRequest:
    said = {"messages": [{"role": "user", "content": content}], **fields}
    return ChatRequest.parse(json.dumps(said).encode())


def image(*, bare: bool = False, **fields: object) -> ImageRequest:
    said = {"prompt": "A cat", **fields}
    return ImageRequest.parse(json.dumps(said).encode(), "id", 7, bare=bare)


def embedding(said: object = "Hello", **fields: object) -> EmbeddingRequest:
    return EmbeddingRequest.parse(json.dumps({"input": said, **fields}).encode())
