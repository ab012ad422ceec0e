"""Requests that we write ourselves, as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tproxy.core.errors import InvalidRequest
from tproxy.core.model import Model
from tproxy.core.upstream import UpstreamRequest


def post(
    url: str,
    said: Mapping[str, object],
    model: Model,
    *,
    accept: str = "application/json",
    dropped: tuple[str, ...] = (),
) -> UpstreamRequest:
    """A request with `said` as its body and the operator's own headers.

    Raises:
        InvalidRequest: JSON has no words for it.
    """
    return UpstreamRequest(
        method="POST",
        url=url,
        headers=(
            ("Content-Type", "application/json"),
            ("Accept", accept),
            *model.upstream.headers,
        ),
        body=encoded(said),
        dropped=dropped,
    )


def encoded(said: Mapping[str, object]) -> bytes:
    """`said` as JSON.

    Raises:
        InvalidRequest: JSON has no words for it.
    """
    try:
        text = json.dumps(
            said, ensure_ascii=False, allow_nan=False, separators=(",", ":")
        )
    except (ValueError, RecursionError):
        message = "The body holds a number too large, or is nested too deeply."
        raise InvalidRequest(message=message) from None
    return text.encode("utf-8", "backslashreplace")
