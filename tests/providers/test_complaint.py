"""What error bodies of providers mean; recorded ones are in `test_recordings.py`."""

# ruff: noqa: E501 - bodies are as they came
from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.providers.complaints import BODIES, Body, error
from tests.values import KEY, model
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret
from tproxy.providers import complaint

MODEL = model("a")


@pytest.mark.parametrize(
    "body", BODIES, ids=[f"{n} {b.of} {b.status}" for n, b in enumerate(BODIES)]
)
def test_a_body_means_what_it_means(body: Body) -> None:
    failed = complaint.read(body.status, body.headers, body.raw, MODEL)

    assert failed.failure is body.failure
    assert failed.retry_after == body.wait
    assert failed.message.startswith(f"a: {body.failure.said}")
    for shown in (failed.message, failed.detail):
        assert "://" not in shown
        assert "user_30" not in shown
        assert "org_01" not in shown
        assert shown.isprintable()


@pytest.mark.parametrize("quote", ["'{}'", '"{}"', "`{}`"])
@pytest.mark.parametrize(
    "word", ["insufficient_quota", "unknown model", "api key not valid", "flagged"]
)
def test_a_caller_cannot_choose_the_rule_by_what_is_quoted_back(
    quote: str, word: str
) -> None:
    said = error(f"Invalid value: {quote.format(word)}. It's not what we'd take.")

    failed = complaint.read(400, {}, json.dumps(said).encode(), MODEL)

    assert failed.failure is failures.REJECTED


def test_every_failure_that_a_body_can_mean_is_among_them() -> None:
    told_by_transport = {
        *("unresolved", "unreachable", "no_connect", "tls", "lost", "first_byte"),
        *("silence", "crowded", "stale"),
    }
    told_by_the_reader = {"empty", "malformed", "early_end", "unjoined"}
    told_before = {"expired", "untaken"}
    rows = {row.name for row in vars(failures).values() if isinstance(row, Failure)}

    assert rows - {body.failure.name for body in BODIES} == (
        told_by_transport | told_by_the_reader | told_before
    )


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (400, error("bad `x`"), "a: the provider refused the request: bad `x`"),
        (
            404,
            error("No endpoints found that support tool use.", code=404),
            "a: this model's provider has no words for it: No endpoints found that support tool use.",
        ),
        (
            400,
            {
                "success": False,
                "errors": [
                    {
                        "code": 3030,
                        "message": "AiError: AiError: 5000 is too large, max width is 2048"
                        " (0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0)",
                    }
                ],
            },
            "a: the provider refused the request: 5000 is too large, max width is 2048",
        ),
        (
            422,
            {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs"}]},
            "a: the provider refused the request: body.seed: Extra inputs",
        ),
        (
            422,
            {"object": "error", "message": {"detail": [{"msg": "x"}, {"msg": "y"}]}},
            "a: the provider refused the request: x; y",
        ),
        (400, {"error": ["one", "two"]}, "a: the provider refused the request: one"),
        (400, "plain words", "a: the provider refused the request: plain words"),
        (400, "<html>400</html>", "a: the provider refused the request."),
        (400, "", "a: the provider refused the request."),
        (
            400,
            error("outer", code=400, metadata={"raw": '{"error":{"message":"inner"}}'}),
            "a: the provider refused the request: inner",
        ),
        (
            400,
            error("outer", code=400, metadata={"raw": "inner words"}),
            "a: the provider refused the request: inner words",
        ),
        (401, error("key sk-1234567890 is wrong"), "a: the provider refused the proxy's key."),
        (500, error("stack trace"), "a: the provider failed."),
        (429, error("org_0123456789 is limited"), "a: the provider limits the rate."),
    ],
)  # fmt: skip
def test_the_client_hears_the_provider_only_where_it_can_mend_something(
    status: int, said: object, message: str
) -> None:
    body = said if isinstance(said, str) else json.dumps(said)

    assert complaint.read(status, {}, body.encode(), MODEL).message == message


@pytest.mark.parametrize("status", [400, 401, 500])
def test_neither_client_nor_log_hears_a_credential(status: int) -> None:
    headers = (("api-key", "0f1e2d3c4b5a"), ("X-Title", "my proxy"))
    upstream = Upstream("https://u/", "openai", Secret(KEY), headers)
    said = error(f"{KEY} and {KEY[:20]}... and 0f1e2d3c4b5a at https://u/x?key=1")

    failed = complaint.read(
        status, {}, json.dumps(said).encode(), model("a", upstream=upstream)
    )

    for shown in (failed.message, failed.detail, repr(failed)):
        assert "0123456789ab" not in shown
        assert "0f1e2d3c" not in shown
        assert "https" not in shown
    masked = "[key] and [key]... and [key] at [link]"
    assert failed.message.endswith(f": {masked}") == (status == 400)


@pytest.mark.parametrize(
    ("status", "said", "detail"),
    [
        (400, error("my prompt", code="invalid_value", type="bad"), "400 invalid_value bad"),
        (500, error("my prompt", code=500, type="server_error"), "500 server_error"),
        (500, "my prompt", "500"),
        (401, {"detail": "my prompt"}, "401"),
        (422, {"error": "my prompt", "error_type": "validation"}, "422 validation"),
        (None, error("my prompt", code="my prompt"), "in a 200"),
        (429, error("my prompt", code=KEY), "429 [key]"),
    ],
)  # fmt: skip
def test_the_log_hears_codes_and_no_words_that_may_quote_a_prompt(
    status: int | None, said: object, detail: str
) -> None:
    body = said if isinstance(said, str) else json.dumps(said)

    assert complaint.read(status, {}, body.encode(), MODEL).detail == detail


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8)
    | st.sampled_from([429, "429", 503, "insufficient_quota", "rate limit"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("error", "errors", "detail", "message", "msg", "loc", "code"),
                    *("status", "type", "metadata", "raw", "error_type"),
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)  # fmt: skip


@given(
    st.none() | st.integers(100, 999),
    ANY_JSON.map(lambda said: json.dumps(said).encode()) | st.binary(max_size=80),
)
@settings(deadline=None)
def test_no_body_is_a_surprise(status: int | None, body: bytes) -> None:
    failed = complaint.read(status, {}, body, MODEL)

    assert failed.model == "a"
    assert failed.retry_after is None or failed.retry_after > 0
    assert len(failed.message) < 700


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"error":' * 400 + b'"deep"' + b"}" * 400,
        b'{"message":' * 900 + b'"deep"' + b"}" * 900,
        b'{"error":{"message":"' + b"x" * 10_000_000 + b'"}}',
        b"code 429 " * 1_000_000,
    ],
    ids=["open", "arrays", "errors", "messages", "long", "words"],
)
def test_no_body_takes_long(body: bytes) -> None:
    assert complaint.read(500, {}, body, MODEL).failure.onward
