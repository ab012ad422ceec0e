"""Asking GigaChat's adapter, and what it makes of that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.providers.gigachat import MODEL
from tests.values import chat
from tproxy.core import failures
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest
from tproxy.providers.gigachat import DIALECT

WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
USER: dict[str, object] = {"role": "user", "content": "Hello"}


def build(asked: ChatRequest, model: Model = MODEL) -> UpstreamRequest:
    return DIALECT.chat.build_request(asked, model)


def sent(model: Model = MODEL, /, **fields: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(build(chat(**fields), model).body)
    return body


def talk(
    *messages: Mapping[str, object], model: Model = MODEL, **fields: object
) -> Any:
    asked = ChatRequest.parse(json.dumps({"messages": messages, **fields}).encode())
    return json.loads(build(asked, model).body)["messages"]


def refused(asked: ChatRequest, model: Model = MODEL) -> UpstreamFailed:
    with pytest.raises(UpstreamFailed) as caught:
        build(asked, model)
    assert caught.value.failure is failures.UNSUPPORTED
    return caught.value
