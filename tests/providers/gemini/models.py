"""Models of Gemini's to test with."""

from __future__ import annotations

from typing import Any

from tests.values import KEY
from tproxy.core.model import KeyHeader, Model, Upstream
from tproxy.core.secret import Secret

BASE = "https://gemini.test/v1beta"


def model(name: str = "gemini-3-flash-preview", url: str = BASE, **more: Any) -> Model:
    auth = KeyHeader("x-goog-api-key", scheme="")
    upstream = Upstream(url, "gemini", Secret(KEY), auth=auth)
    return Model(f"gemini/{name}", "gemini", name, upstream, **more)
