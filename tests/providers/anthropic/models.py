"""Models of Anthropic's to test with."""

from __future__ import annotations

from typing import Any

from tests.values import KEY
from tproxy.core.model import KeyHeader, Model, Upstream
from tproxy.core.secret import Secret

BASE = "https://anthropic.test/v1"


def model(name: str = "claude-sonnet-4-5", url: str = BASE, **more: Any) -> Model:
    auth = KeyHeader("x-api-key", scheme="")
    upstream = Upstream(url, "anthropic", Secret(KEY), auth=auth)
    return Model(f"anthropic/{name}", "anthropic", name, upstream, **more)
