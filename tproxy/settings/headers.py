"""What an operator may send in a header: names, values and keys."""

from __future__ import annotations

import re

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch
_HEADER_VALUE = re.compile(r"[\t -~\x80-\xff]*").fullmatch  # RFC 9110, field-value
_OURS = {
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


def unsendable(token: str) -> tuple[str, str]:
    """Why a provider's key cannot go into a header, and what to do; or nothing."""
    if token.lower().startswith("bearer "):
        return "the token begins with 'Bearer'", "the proxy adds that word"
    if not _HEADER_VALUE(token) or token.strip() != token:
        return "cannot be sent: a line break, a character or a space at an end", ""
    return "", ""


def header_problem(name: str, value: str) -> str:
    """Why an operator's header cannot be sent; or nothing."""
    if not _HEADER_NAME(name):
        return "not a name that a header can have"
    if name.lower() in _OURS:
        return "the proxy sets this header itself"
    if not _HEADER_VALUE(value) or value.strip() != value:
        return "cannot be sent: a line break, a character or a space at an end"
    return ""
