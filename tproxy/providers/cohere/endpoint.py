"""Asking Cohere, at a URL derived from a base or from a full endpoint."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from tproxy.core.errors import InvalidRequest
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest

_ENDPOINT = re.compile(r"/(?:chat|embed)/*\Z")


def post(
    call: str,
    said: Mapping[str, object],
    model: Model,
    dropped: tuple[str, ...] = (),
) -> UpstreamRequest:
    """A request for `call`, "chat" or "embed".

    Raises:
        InvalidRequest: `said` holds what JSON has no words for.
    """
    parts = urlsplit(model.upstream.url)
    path = _ENDPOINT.sub("", parts.path).rstrip("/") + f"/{call}"
    streams = said.get("stream") is True
    return UpstreamRequest(
        method="POST",
        url=urlunsplit(parts._replace(path=path)),
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", "text/event-stream" if streams else "application/json"),
            *model.upstream.headers,
        ),
        body=_encoded(said),
        dropped=dropped,
    )


def _encoded(said: Mapping[str, object]) -> bytes:
    try:
        text = json.dumps(
            said, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (ValueError, RecursionError):
        message = "The body holds a number too large, or is nested too deeply."
        raise InvalidRequest(message=message) from None
    return text.encode("utf-8", "backslashreplace")
