from __future__ import annotations

import pytest

from tproxy.relay.answer import passed_on


@pytest.mark.parametrize(
    "name",
    [
        "content-type",
        "cache-control",
        "openai-processing-ms",
        "openai-version",
        "mistral-correlation-id",
        "x-groq-region",
        "x-inference-provider",
    ],
)
def test_what_the_provider_says_of_its_answer_is_passed_on(name: str) -> None:
    shown = "-".join(word.capitalize() for word in name.split("-"))

    assert (shown, "v") in passed_on({name: "v"}, kind="application/json")


@pytest.mark.parametrize(
    "name",
    """
    connection transfer-encoding content-length content-encoding keep-alive upgrade
    set-cookie server date via location www-authenticate strict-transport-security
    alt-svc openai-organization openai-project x-request-id retry-after
    x-ratelimit-limit-requests x-ratelimit-remaining-tokens x-ratelimit-reset
    ratelimit-limit x-tproxy-model access-control-allow-origin cf-ray etag
    """.split(),  # noqa: SIM905
)
def test_what_is_of_its_hop_or_its_house_is_not(name: str) -> None:
    assert passed_on({name: "v", "content-type": "t"}, kind="") == (
        ("Content-Type", "t"),
    )


def test_an_answer_without_a_type_gets_one() -> None:
    assert passed_on({"x-a": "b"}, kind="text/event-stream") == (
        ("Content-Type", "text/event-stream"),
        ("X-A", "b"),
    )
