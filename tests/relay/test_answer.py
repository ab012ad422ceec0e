from __future__ import annotations

import pytest

from tproxy.relay.answer import passed_on


@pytest.mark.parametrize(
    "name",
    [
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


def test_a_type_is_passed_on_as_the_provider_writes_it() -> None:
    said = "application/json; charset=utf-8"

    assert passed_on({"content-type": said}, kind="application/json") == (
        ("Content-Type", said),
    )


@pytest.mark.parametrize("said", [{}, {"content-type": "application/x-ndjson"}])
def test_an_answer_without_a_type_or_of_another_gets_its_own(
    said: dict[str, str],
) -> None:
    assert passed_on({"x-a": "b", **said}, kind="text/event-stream") == (
        ("Content-Type", "text/event-stream"),
        ("X-A", "b"),
    )
