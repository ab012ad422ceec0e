"""Where Cohere is asked, going by a base or by a full endpoint."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_ENDPOINT = re.compile(r"/(?:chat|embed)/*\Z")


def endpoint(call: str, url: str) -> str:
    """The endpoint for `call`, "chat" or "embed"."""
    parts = urlsplit(url)
    path = _ENDPOINT.sub("", parts.path).rstrip("/") + f"/{call}"
    return urlunsplit(parts._replace(path=path))
