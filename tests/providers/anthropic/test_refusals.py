# ruff: noqa: E501 - words of providers are long
"""How Anthropic refuses."""

from __future__ import annotations

import json

import pytest

from tests.providers.anthropic.models import model
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.anthropic import DIALECT

REFUSALS = [
    (400, "invalid_request_error", "max_tokens: must be positive", "rejected"),
    (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", "too_long"),
    (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 9 + 1 > 8", "too_long"),
    (400, "invalid_request_error", "Your credit balance is too low to access the API.", "billing"),
    (400, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01.", "billing"),
    (400, "invalid_request_error", "This organization has been disabled.", "auth"),
    (400, "invalid_request_error", "Output blocked by content filtering policy", "filtered"),
    (401, "authentication_error", "invalid x-api-key", "auth"),
    (402, "billing_error", "Your payment failed", "billing"),
    (403, "permission_error", "Your key may not use this", "forbidden"),
    (404, "not_found_error", "model: claude-sonet-4-5", "missing"),
    (413, "request_too_large", "Request exceeds the maximum size", "too_long"),
    (429, "rate_limit_error", "Number of tokens has exceeded your limit", "rate_limit"),
    (500, "api_error", "Internal server error", "server"),
    (504, "timeout_error", "Request timed out", "timed_out"),
    (529, "overloaded_error", "Overloaded", "overloaded"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind", "message", "row"), REFUSALS)
def test_an_error_is_what_it_means(
    status: int, kind: str, message: str, row: str
) -> None:
    error = {"type": "error", "error": {"type": kind, "message": message}}
    head = UpstreamHead(status, {"retry-after": "7"})

    read = DIALECT.chat.parse_error(head, json.dumps(error).encode(), model())

    assert read.failure.name == row
    waits = row in ("rate_limit", "overloaded", "server")
    assert read.retry_after == (7 if waits else None)
