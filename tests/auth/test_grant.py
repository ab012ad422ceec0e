from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.auth import grant
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamHead

RECORDINGS = Path(__file__).parents[1] / "recordings" / "gigachat"
RECORDED = [json.loads(path.read_text("utf-8")) for path in RECORDINGS.glob("*.json")]
TOKENS = {said["id"]: said["response"] for said in RECORDED if said["kind"] == "auth"}
NOW = 1_750_000_000  # Sun, 15 Jun 2025 15:06:40 GMT
DATE = "Sun, 15 Jun 2025 15:06:40 GMT"
OK = UpstreamHead(200, {"content-type": "application/json"})
KEY = "aWQ6c2VjcmV0"  # id:secret

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def read(
    said: Mapping[str, object], wall: float = NOW, date: str | None = None
) -> grant.Grant:
    head = OK if date is None else UpstreamHead(200, {"date": date})
    return grant.read(head, json.dumps(said).encode(), wall)


@pytest.mark.parametrize("credential", ["id:secret", KEY, f" {KEY}\n"])
def test_a_token_is_asked_for_as_the_reference_says(credential: str) -> None:
    asked = grant.request("https://auth.test/oauth", "A B", Secret(credential), "1-2")

    assert (asked.method, asked.url) == ("POST", "https://auth.test/oauth")
    assert dict(asked.headers) == {
        "Authorization": f"Basic {KEY}",
        "RqUID": "1-2",
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }
    assert parse_qs(asked.body.decode()) == {"scope": ["A B"]}
    assert KEY not in repr(asked)


@pytest.mark.parametrize("names", [("access_token", "expires_at"), ("tok", "exp")])
@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        ((NOW + 600) * 1_000, 600),
        (NOW + 600, 600),
        (NOW + 600.5, 600.5),
        (NOW + 86_400, 1_800),  # no token lives so long
        (NOW - 5, 60),
        (0, 1_800),
        (-1, 1_800),
        (1e300, 1_800),
        (10**400, 1_800),
        (True, 1_800),
        ("soon", 1_800),
        (None, 1_800),
    ],
)
def test_a_token_lives_as_long_as_is_said_within_reason(
    names: tuple[str, str], until: object, seconds: float
) -> None:
    token, end = names

    granted = read({token: "t0", end: until})

    assert granted == grant.Grant(Secret("t0"), seconds)


@pytest.mark.parametrize("wall", [0.0, NOW, 4e9])
def test_the_end_is_by_the_providers_clock_where_it_tells_the_time(wall: float) -> None:
    said = {"access_token": "t0", "expires_at": (NOW + 600) * 1_000}

    assert read(said, wall, DATE).seconds == 600


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 15 Jun 2025 15:06:40 -0000"])
def test_ours_will_do_where_it_does_not(date: str) -> None:
    said = {"access_token": "t0", "expires_at": NOW + 600}

    assert read(said, NOW, date).seconds == 600


@pytest.mark.parametrize("response", TOKENS.values(), ids=TOKENS)
def test_recorded_tokens_are_read(response: dict[str, Any]) -> None:
    head = UpstreamHead(response["status"], response["headers"])

    granted = grant.read(head, response["body"].encode(), NOW)

    assert granted == grant.Grant(Secret("REDACTED"), 1_800)


@pytest.mark.parametrize(
    ("status", "row"),
    [
        (400, failures.AUTH),
        (401, failures.AUTH),
        (403, failures.AUTH),
        (402, failures.BILLING),
        (302, failures.UNEXPECTED),
        (404, failures.UNEXPECTED),
        (408, failures.TIMED_OUT),
        (429, failures.RATE_LIMIT),
        (500, failures.SERVER),
        (502, failures.SERVER),
        (503, failures.OVERLOADED),
        (504, failures.TIMED_OUT),
    ],
)
def test_a_refusal_is_what_its_status_says(status: int, row: Failure) -> None:
    head = UpstreamHead(status, {"retry-after": "7"})
    said = {"code": 6, "message": "credentials doesn't match db data"}

    with pytest.raises(UpstreamFailed) as caught:
        grant.read(head, json.dumps(said).encode(), NOW)

    failed = caught.value
    assert (failed.failure, failed.retry_after) == (row, 7.0)
    assert failed.detail == f"token: {status} code 6"
    assert failed.message == f"no token: {row.said}."


def test_a_key_for_another_scope_is_told_from_a_wrong_one() -> None:
    head = UpstreamHead(401, {})

    assert grant.refuses_scope(head, b'{"code": 7, "message": "scope from db"}')
    assert not grant.refuses_scope(head, b'{"code": 6}')
    assert not grant.refuses_scope(UpstreamHead(400, {}), b'{"code": 7}')
    assert not grant.refuses_scope(head, b"<html>")


@pytest.mark.parametrize(
    "token", [None, "", 1, ["t"], "a b", "a\r\nHost: b", "ключ", "t" * 70_000]
)
def test_what_no_header_can_hold_is_no_token(token: object) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        read({"access_token": token})

    assert caught.value.failure is failures.MALFORMED


@given(
    st.sampled_from([200, 201, 401, 500]),
    st.binary() | JSON.map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_a_token_or_a_failure(status: int, body: bytes) -> None:
    head = UpstreamHead(status, {})
    grant.refuses_scope(head, body)

    with pytest.raises(UpstreamFailed):
        grant.read(head, body, NOW)


@given(JSON, JSON)
def test_any_members_are_a_token_or_a_failure(token: object, until: object) -> None:
    try:
        granted = read({"access_token": token, "expires_at": until})
    except UpstreamFailed:
        return
    assert granted.token.reveal() == token
    assert 60 <= granted.seconds <= 1_800
