"""What Gemini's own errors mean. They are `providers.complaint`'s to read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gemini.models import model
from tests.providers.gemini.recorded import ALL
from tests.values import KEY
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import UpstreamHead
from tproxy.providers.gemini import DIALECT

MODEL = model()
NOON = "Wed, 19 Aug 2026 19:00:00 GMT"  # at Google's


def refused(code: int, **error: object) -> UpstreamFailed:
    body = json.dumps({"error": {"code": code, **error}}).encode()
    head = UpstreamHead(code, {"date": NOON})
    return DIALECT.chat.parse_error(head, body, MODEL)


def limited(quota: str, delay: str | None = None) -> UpstreamFailed:
    details: list[Any] = [
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaMetric": "generativelanguage", "quotaId": quota}],
        }
    ]
    if delay is not None:
        kind = "type.googleapis.com/google.rpc.RetryInfo"
        details.append({"@type": kind, "retryDelay": delay})
    message = "You exceeded your current quota, please check your plan and billing."
    return refused(429, message=message, status="RESOURCE_EXHAUSTED", details=details)


@pytest.mark.parametrize(
    ("status", "code", "message", "row"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass one.", "auth"),
        (400, "INVALID_ARGUMENT", "API key expired. Please renew it.", "auth"),
        (403, "PERMISSION_DENIED", "Your API key was reported as leaked.", "auth"),
        (400, "INVALID_ARGUMENT", 'Unknown name "x": Cannot find field.', "rejected"),
        (
            400,
            "INVALID_ARGUMENT",
            "The input token count exceeds the maximum number of tokens allowed (1).",
            "too_long",
        ),
        (400, "FAILED_PRECONDITION", "User location is not supported.", "forbidden"),
        (403, "PERMISSION_DENIED", "The caller does not have permission", "forbidden"),
        (404, "NOT_FOUND", "models/x is not found for API version", "missing"),
        (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted.", "rate_limit"),
        (
            429,
            "RESOURCE_EXHAUSTED",
            "Your project has exceeded its monthly spending cap.",
            "billing",
        ),
        (500, "INTERNAL", "An internal error has occurred.", "server"),
        (503, "UNAVAILABLE", "The model is overloaded.", "overloaded"),
        (504, "DEADLINE_EXCEEDED", "Deadline expired.", "timed_out"),
    ],
)
def test_a_refusal_has_its_meaning(
    status: int, code: str, message: str, row: str
) -> None:
    failure = refused(status, status=code, message=message)

    assert failure.failure.name == row
    assert failure.detail == f"{status} {code}"


def test_a_limit_of_a_minute_says_how_long_to_wait() -> None:
    failure = limited("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "34.4s")

    assert failure.retry_after == 34.4


def test_a_limit_of_a_day_lasts_until_midnight_at_googles() -> None:
    for delay in ("12s", None):
        failure = limited("GenerateRequestsPerDayPerProjectPerModel-FreeTier", delay)
        assert failure.retry_after == 12 * 3600


def test_the_recorded_limit_says_how_long_to_wait() -> None:
    [found] = [one for one in ALL.values() if one.head.status == 429]

    failure = DIALECT.chat.parse_error(found.head, found.body, MODEL)

    assert failure.failure.name == "rate_limit"
    assert failure.retry_after == pytest.approx(48, abs=1)


def test_a_key_is_never_repeated() -> None:
    message = f"API key {KEY} is not good for this."

    failure = refused(400, message=message, status="INVALID_ARGUMENT")

    assert KEY not in f"{failure.message}{failure.detail}"
