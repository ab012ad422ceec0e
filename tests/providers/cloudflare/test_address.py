from __future__ import annotations

import pytest

from tests.providers.cloudflare import NAME
from tproxy.providers.cloudflare import address

API = "https://api.cloudflare.com/client/v4/accounts/ACCOUNT"
GATEWAY = "https://gateway.ai.cloudflare.com/v1/ACCOUNT/GATE"


@pytest.mark.parametrize(
    "base",
    [
        *("", "/", "/ai", "/ai/", "/ai/run", "/ai/run/", f"/ai/run/{NAME}"),
        *("/ai/v1", "/ai/v1/chat/completions", "/ai/v1/embeddings"),
    ],
)
def test_any_base_of_the_api_leads_to_the_model(base: str) -> None:
    assert address.run(API + base, NAME) == f"{API}/ai/run/{NAME}"


@pytest.mark.parametrize(
    "base",
    [
        *("", "/", "/workers-ai", "/workers-ai/", f"/workers-ai/{NAME}"),
        *("/workers-ai/v1", "/workers-ai/v1/chat/completions"),
    ],
)
def test_any_base_of_a_gateway_leads_to_the_model(base: str) -> None:
    assert address.run(GATEWAY + base, NAME) == f"{GATEWAY}/workers-ai/{NAME}"


@pytest.mark.parametrize(
    "url",
    [
        f"{API}/ai/run/@hf/thebloke/zephyr",
        f"{API}/ai/run/partner/model",
        f"{GATEWAY}/workers-ai/run/@cf/meta/llama",
        "http://localhost:8787/@cf/meta/llama?tag=a",
    ],
)
def test_a_whole_endpoint_stays_as_it_is(url: str) -> None:
    assert address.run(url, NAME) == url


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("@cf/meta/llama", "/ai/run/@cf/meta/llama"),
        ("@cf/a b?c#d", "/ai/run/@cf/a%20b%3Fc%23d"),
    ],
)
def test_a_name_stays_within_the_path(name: str, path: str) -> None:
    assert address.run(f"{API}/ai/run", name) == API + path


def test_a_gateway_may_be_asked_to_run() -> None:
    assert address.run(f"{GATEWAY}/workers-ai/run", NAME) == (
        f"{GATEWAY}/workers-ai/run/{NAME}"
    )


def test_a_base_of_ones_own_is_taken_as_it_is() -> None:
    assert address.run("http://localhost:1/x/ai", NAME) == (
        f"http://localhost:1/x/ai/run/{NAME}"
    )
