"""Models of Cohere's to test with."""

from __future__ import annotations

from typing import Any

from tests.values import KEY
from tproxy.core.model import Model, Upstream
from tproxy.core.secret import Secret

BASE = "https://cohere.test/v2"


def model(name: str = "command-a-03-2025", url: str = BASE, **more: Any) -> Model:
    upstream = Upstream(url, "cohere", Secret(KEY))
    return Model(f"cohere/{name}", "cohere", name, upstream, **more)
