"""Faults told by a status: every class of them, in the words of their providers.

What else providers say is in `tests.providers.complaints`; it is asked here too.
"""

# ruff: noqa: E501 - the table reads better in rows
from __future__ import annotations

import gzip

from tests.dialect import error
from tests.e2e.stage import KEY
from tests.faults.consequences import (
    AUTH,
    BILLING,
    FILTERED,
    FORBIDDEN,
    MISSING,
    MODEL_FAULT,
    OVERLOADED,
    RATE_LIMIT,
    REJECTED,
    SERVER,
    TIMED_OUT,
    TOO_LONG,
    UNEXPECTED,
    UNSUPPORTED,
)
from tests.faults.fault import URL_CANARY, fault, limit
from tests.faults.script import (
    JSON,
    SSE,
    Drip,
    End,
    Script,
    chunk,
    head,
    promised,
    whole,
)

# The body of origin's to-do; the account's id is changed.
HIDDEN_429 = (
    b'500 unexpected status code: 429, body: {"error":{"message":"Provider returned '
    b'error","code":429,"metadata":{"raw":"qwen/qwen3-coder:free is temporarily '
    b"rate-limited upstream. Please retry shortly, or add your own key to accumulate "
    b'your rate limits: https://openrouter.ai/settings/integrations","provider_name":'
    b'"Chutes"}},"user_id":"user_30vFwYf3qlvprxam2pA4FoDY1AR"}'
)
PROMPT = "canary-of-the-prompt"
INDISCREET = f"{KEY} may not ask https://10.0.0.7/{URL_CANARY} about {PROMPT}"
HTML = {"Content-Type": "text/html"}
AWAY = {"Location": "http://127.0.0.1:9/elsewhere"}


def says(status: int, message: str = INDISCREET, code: object = None) -> Script:
    return whole(error(message, code), status)


# fmt: off
REFUSALS = [
    fault("400", REJECTED, says(400)),
    fault("400 for a field", REJECTED, says(400, "temperature must be at most 2")),
    fault("400 of a filter", FILTERED, says(400, "", "content_filter")),
    fault("400 for length", TOO_LONG, says(400, "", "context_length_exceeded")),
    fault("400 for a key", AUTH, says(400, "API key not valid")),
    fault("400 for a model", MISSING, says(400, "", "model_not_found")),
    fault("400 for tools", UNSUPPORTED, says(400, "This model does not support tools")),
    fault("400 for what the model did", MODEL_FAULT, says(400, "", "tool_use_failed")),
    fault("400 for a region", FORBIDDEN, says(400, "User location is not supported")),
    fault("400 for money", BILLING, says(400, "Your credit balance is too low")),
    fault("401", AUTH, says(401)),
    fault("401 that hangs", AUTH, promised(JSON, End.HOLD, status=401)),
    fault("401 byte by byte", AUTH, promised(JSON, Drip(error(INDISCREET) * 3), status=401)),
    fault("402", BILLING, says(402)),
    fault("403", FORBIDDEN, says(403)),
    fault("403 of a filter", FILTERED, says(403, "Your input was flagged")),
    fault("403 for money", BILLING, says(403, "Key limit exceeded (daily limit)")),
    fault("404", MISSING, says(404)),
    fault("404 in HTML", MISSING, whole(b"<html>nginx", 404, HTML)),
    fault("404 for tools", UNSUPPORTED, says(404, "No endpoints found that support tool use")),
    fault("405", UNEXPECTED, says(405)),
    fault("408", TIMED_OUT, says(408)),
    fault("409", SERVER, says(409)),
    fault("410", MISSING, says(410)),
    fault("413", TOO_LONG, says(413)),
    fault("418", UNEXPECTED, whole(b"", 418)),
    fault("422", REJECTED, whole(b'{"detail": [{"msg": "bad"}]}', 422)),
    fault("424", SERVER, says(424)),
    fault("425", SERVER, says(425)),
    limit("429", RATE_LIMIT, says(429), 1.0),
    limit("429 in HTML", RATE_LIMIT, whole(b"<html>slow down", 429, HTML), 1.0),
    limit("429 without a body", RATE_LIMIT, whole(b"", 429), 1.0),
    limit("429 with Retry-After", RATE_LIMIT, whole(error("no"), 429, {**JSON, "Retry-After": "20"}), 20.0),
    limit("429 in words", RATE_LIMIT, says(429, "Please try again in 7.66s."), 7.66),
    limit("429 that breaks off", RATE_LIMIT, promised(JSON, b'{"error', End.CLOSE, status=429), 1.0),
    fault("429 for money", BILLING, says(429, "You exceeded your current quota", "insufficient_quota")),
    fault("429 for length", TOO_LONG, says(429, "Request too large for gpt-4o")),
    limit("429 within a 400", RATE_LIMIT, says(400, INDISCREET, 429), 1.0),
    limit("429 within a 500", RATE_LIMIT, whole(HIDDEN_429, 500), 1.0),
    limit("429 within a 502", RATE_LIMIT, whole(HIDDEN_429, 502), 1.0),
    fault("451", REJECTED, says(451)),
    fault("498", SERVER, says(498)),
    fault("499", SERVER, says(499)),
    fault("500", SERVER, says(500)),
    fault("500 without a body", SERVER, whole(b"", 500)),
    fault("500 that breaks off", SERVER, promised(JSON, b"{", End.CLOSE, status=500)),
    fault("500 that is reset", SERVER, promised(JSON, b"{", End.RESET, status=500)),
    fault("500 with broken chunks", SERVER, [head(500, {**JSON, "Transfer-Encoding": "chunked"}), b"zz\r\n", End.CLOSE]),
    fault("500 in bad UTF-8", SERVER, whole(b'{"error": {"message": "\xff\xfe"}}', 500)),
    fault("500 that is compressed", SERVER, whole(gzip.compress(error("no")), 500, {**JSON, "Content-Encoding": "gzip"})),
    fault("500 that is said to be", SERVER, whole(error("no"), 500, {**JSON, "Content-Encoding": "br"})),
    fault("500 as an event", SERVER, [head(500, {**SSE, "Transfer-Encoding": "chunked"}), chunk(b"data: " + error("no") + b"\n\n"), b"0\r\n\r\n"]),
    fault("501", SERVER, says(501)),
    fault("502", SERVER, says(502)),
    fault("502 in HTML", SERVER, whole(b"<html>bad gateway", 502, HTML)),
    fault("503", OVERLOADED, says(503)),
    fault("504", TIMED_OUT, whole(b"<html>gateway timeout", 504, HTML)),
    fault("520", SERVER, whole(b"<html>cloudflare", 520, HTML)),
    fault("522", TIMED_OUT, whole(b"error code: 522", 522)),
    fault("524", TIMED_OUT, whole(b"error code: 524", 524)),
    fault("529", OVERLOADED, says(529)),
    fault("599", SERVER, says(599)),
    fault("600", UNEXPECTED, says(600)),
    fault("999", UNEXPECTED, says(999)),
    *[
        fault(f"{status}", UNEXPECTED, whole(b"", status, {**JSON, **AWAY}))
        for status in (300, 301, 302, 303, 307, 308)
    ],
    fault("304", UNEXPECTED, [head(304)]),
]
# fmt: on
