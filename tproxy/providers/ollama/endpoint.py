"""Where Ollama is asked, going by a base or by a full endpoint."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_END = re.compile(r"(?:/api(?:/chat|/embed)?)?/*\Z")


def endpoint(call: str, url: str) -> str:
    """The endpoint for `call`, "chat" or "embed"."""
    parts = urlsplit(url)
    path = _END.sub("", parts.path, count=1) + f"/api/{call}"
    return urlunsplit(parts._replace(path=path))
