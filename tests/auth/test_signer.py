import asyncio

import attrs
import pytest

from tests.values import model
from tproxy.auth.signer import AnySigner
from tproxy.core.model import ClientCredentials, KeyHeader, Upstream
from tproxy.core.upstream import UpstreamRequest

UPSTREAM = model().upstream
REQUEST = UpstreamRequest("POST", UPSTREAM.url, (), b"{}")


@attrs.frozen
class Named:
    name: str

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        return attrs.evolve(request, headers=(("Signed-By", self.name),))

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        return request.headers == (("Signed-By", "oauth"),)


@pytest.mark.parametrize(
    ("auth", "name"),
    [
        (KeyHeader(), "static"),
        (ClientCredentials("https://auth.test"), "oauth"),
    ],
)
def test_the_kind_of_credential_decides_who_signs(
    auth: KeyHeader | ClientCredentials, name: str
) -> None:
    signer = AnySigner(Named("static"), Named("oauth"))
    upstream = attrs.evolve(UPSTREAM, auth=auth)

    signed = asyncio.run(signer.sign(REQUEST, upstream))

    assert signed.headers == (("Signed-By", name),)
    assert signer.refused(signed, upstream) == (name == "oauth")
