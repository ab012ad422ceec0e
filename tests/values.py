"""Values to test with, made in one call."""

from __future__ import annotations

import json
from typing import Any

from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret

KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"


def model(name: str = "a", **changes: Any) -> Model:
    upstream = Upstream(f"https://{name}.test/chat/completions", "openai", Secret(KEY))
    fields = {"provider": "p", "upstream_name": name, "upstream": upstream}
    return Model(name, **{**fields, **changes})


def chat(content: object = "Hello", **fields: object) -> ChatRequest:
    said = {"messages": [{"role": "user", "content": content}], **fields}
    return ChatRequest.parse(json.dumps(said).encode())
