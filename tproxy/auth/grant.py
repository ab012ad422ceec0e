"""Asking for a short-lived token, and reading what comes: no clock, no network.

Source: OAuth 2.0 (RFC 6749, 4.4) as Sber's REST reference, "POST /oauth", has it: the
body holds a scope and nothing else, and each request has an id of its own. Sber's
corporate stands name the members of the answer otherwise.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlencode

import attrs

from tproxy.core import failures, retry_after
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamHead, UpstreamRequest

SCOPES: Final = ("GIGACHAT_API_PERS", "GIGACHAT_API_B2B", "GIGACHAT_API_CORP")

_SHORTEST = 60.0  # seconds a token is kept, however soon it is said to expire
_LONGEST = 1_800.0  # seconds a token is good for, by the reference
_MILLISECONDS = 1e12  # from here on, a time is no number of seconds
_MOST = 1e15
_WRONG_SCOPE = 7
_VISIBLE = re.compile(r"[!-~]{1,65536}").fullmatch

_ROWS: Mapping[int, Failure] = {
    **dict.fromkeys((400, 401, 403), failures.AUTH),
    402: failures.BILLING,
    408: failures.TIMED_OUT,
    429: failures.RATE_LIMIT,
    503: failures.OVERLOADED,
    504: failures.TIMED_OUT,
}


@attrs.frozen
class Grant:
    """A token, and the seconds for which it may be used."""

    token: Secret
    seconds: float


def request(url: str, scope: str, credential: Secret, id: str) -> UpstreamRequest:
    """Ask for a token. `credential` is "id:secret", or that in Base64 already."""
    key = credential.reveal().strip()
    if ":" in key:
        key = base64.b64encode(key.encode()).decode()
    return UpstreamRequest(
        method="POST",
        url=url,
        headers=(
            ("Authorization", f"Basic {key}"),
            ("RqUID", id),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
        ),
        body=urlencode({"scope": scope}).encode(),
    )


def read(head: UpstreamHead, body: bytes, wall: float) -> Grant:
    """What was granted; `wall` is our time, for a provider that does not tell its own.

    Raises:
        UpstreamFailed: nothing was.
    """
    said = _object(body)
    if not 200 <= head.status < 300:
        row = _ROWS.get(head.status) or _other(head.status)
        code = said.get("code")
        told = f" code {code}" if type(code) is int and code < 1_000 else ""
        wait = retry_after.from_headers(head.headers)
        raise failed(row, f"token: {head.status}{told}", wait)
    token = said.get("access_token") or said.get("tok")
    if not isinstance(token, str) or not _VISIBLE(token):
        raise failed(failures.MALFORMED, "token: none in the answer")
    until = said.get("expires_at", said.get("exp"))
    return Grant(Secret(token), _lifetime(until, _time(head) or wall))


def refuses_scope(head: UpstreamHead, body: bytes) -> bool:
    """Whether the key is good, but for another scope."""
    return head.status == 401 and _object(body).get("code") == _WRONG_SCOPE


def failed(row: Failure, detail: str, wait: float | None = None) -> UpstreamFailed:
    """A failure to get a token; which model it was for, the caller knows."""
    return UpstreamFailed(
        message=f"no token: {row.said}.",
        failure=row,
        model="",
        detail=detail,
        retry_after=wait,
    )


def _other(status: int) -> Failure:
    return failures.SERVER if status >= 500 else failures.UNEXPECTED


def _lifetime(until: object, now: float) -> float:
    """Seconds until `until`, which is told in seconds or, mostly, milliseconds."""
    if isinstance(until, bool) or not isinstance(until, (int, float)):
        return _LONGEST
    if not 0 < until < _MOST:
        return _LONGEST
    seconds = until / 1_000 if until >= _MILLISECONDS else until
    return min(max(seconds - now, _SHORTEST), _LONGEST)


def _time(head: UpstreamHead) -> float | None:
    """The provider's own time: what it calls the end is by its clock, not by ours."""
    try:
        date = parsedate_to_datetime(head.headers.get("date", ""))
    except (ValueError, OverflowError):
        return None
    return None if date.tzinfo is None else date.timestamp()


def _object(body: bytes) -> Mapping[str, object]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
