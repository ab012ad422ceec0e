"""Requests to Anthropic, made of what a client says."""

from __future__ import annotations

import json
from typing import Any

from tests.providers.anthropic.models import model
from tproxy.core.chat import ChatRequest
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.providers.anthropic import DIALECT

MIDDLE = "claude-sonnet-4-5"
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": WEATHER}]


def build(
    messages: Any = None, of: Model | None = None, **fields: object
) -> UpstreamRequest:
    said = {"messages": HELLO if messages is None else messages, **fields}
    chat = ChatRequest.parse(json.dumps(said).encode())
    return DIALECT.chat.build_request(chat, of or model())


def body(messages: Any = None, of: str = MIDDLE, **fields: object) -> Any:
    return json.loads(build(messages, model(of), **fields).body)
