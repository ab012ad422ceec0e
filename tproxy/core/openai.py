"""OpenAI's outbound shapes: errors and lists of models.

Source: OpenAI API reference, "Errors" and "Models".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from tproxy.core import sse
from tproxy.core.errors import ProxyError


def error(of: ProxyError) -> bytes:
    """The error envelope, as a body."""
    told = of.told
    said = {
        "message": of.message,
        "type": told.type,
        "param": of.param,
        "code": told.code,
    }
    return json.dumps({"error": said}, ensure_ascii=False).encode(
        "utf-8", "backslashreplace"
    )


def error_event(of: ProxyError) -> bytes:
    """The error envelope, as the last event of a stream that has begun."""
    return sse.encode(error(of))


def duration(seconds: float) -> str:
    """As in OpenAI's `x-ratelimit-reset-*` headers: "12ms", "1.5s", "6m0s"."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.3g}s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60}s"
    return f"{whole // 3_600}h{whole // 60 % 60}m{whole % 60}s"


def models(entries: Iterable[Mapping[str, object]]) -> bytes:
    return json.dumps({"object": "list", "data": list(entries)}).encode()
