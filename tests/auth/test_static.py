import asyncio

import attrs
import pytest

from tests.values import KEY, model
from tproxy.auth.static import StaticKey
from tproxy.core.model import ClientCredentials, KeyHeader, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamRequest

UPSTREAM = model().upstream
REQUEST = UpstreamRequest("POST", UPSTREAM.url, (("Accept", "*/*"),), b"{}")


def signed(upstream: Upstream, request: UpstreamRequest = REQUEST) -> UpstreamRequest:
    return asyncio.run(StaticKey().sign(request, upstream))


@pytest.mark.parametrize(
    ("at", "header"),
    [
        (KeyHeader(), ("Authorization", f"Bearer {KEY}")),
        (KeyHeader("x-goog-api-key", scheme=""), ("x-goog-api-key", KEY)),
    ],
)
def test_the_key_goes_into_its_header(at: KeyHeader, header: tuple[str, str]) -> None:
    request = signed(attrs.evolve(UPSTREAM, auth=at))

    assert request.headers == (*REQUEST.headers, header)
    assert attrs.evolve(request, headers=REQUEST.headers) == REQUEST


@pytest.mark.parametrize(
    "upstream",
    [
        attrs.evolve(UPSTREAM, token=Secret("")),
        attrs.evolve(UPSTREAM, auth=ClientCredentials("https://auth.test")),
    ],
)
def test_without_a_key_for_a_header_nothing_is_added(upstream: Upstream) -> None:
    assert signed(upstream) == REQUEST


def test_the_key_goes_nowhere_else() -> None:
    elsewhere = attrs.evolve(REQUEST, url="https://files.test/1.png", ours=False)

    assert signed(UPSTREAM, elsewhere) == elsewhere


def test_a_key_that_is_refused_is_not_worth_another_try() -> None:
    assert not StaticKey().refused(signed(UPSTREAM), UPSTREAM)
