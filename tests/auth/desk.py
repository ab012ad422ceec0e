"""A signer, and an authorization server that does as it is told."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Coroutine, Sequence
from typing import Any

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.fakes import Act, FakeTransport, Script
from tests.values import model
from tproxy.auth.oauth import OAuth
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import ClientCredentials, Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamRequest

SECRET = "client-id:client-secret"
UPSTREAM = attrs.evolve(
    model().upstream,
    token=Secret(SECRET),
    auth=ClientCredentials("https://auth.test/oauth", "SCOPE"),
)
ANY_SCOPE = attrs.evolve(UPSTREAM, auth=ClientCredentials("https://auth.test/oauth"))
REQUEST = UpstreamRequest("POST", UPSTREAM.url, (("Accept", "*/*"),), b"{}", ("seed",))
LIFE, EARLY = 1_800, 60  # seconds
LATE = LIFE - EARLY


def grants(token: str, seconds: float = LIFE) -> Script:
    said = {"access_token": token, "expires_at": (1_750_000_000 + seconds) * 1_000}
    return Script([json.dumps(said).encode()])


def refuses(status: int, code: int = 6) -> Script:
    return Script([json.dumps({"code": code, "message": "no"}).encode()], status)


def tokens(count: int = 100) -> list[Act]:
    return [grants(f"t{number}", LIFE * (number + 1)) for number in range(count)]


@attrs.define(eq=False)
class Desk:
    """A signer, with an authorization server that does as it is told."""

    acts: Sequence[Act] = attrs.field(factory=tokens)
    transport: FakeTransport = attrs.field(init=False)
    signer: OAuth = attrs.field(init=False)
    _ids: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1))

    def __attrs_post_init__(self) -> None:
        self.transport = FakeTransport({"auth.test": self.acts})
        self.signer = OAuth(self.transport, LoopClock(), self._new_uuid)

    def _new_uuid(self) -> uuid.UUID:
        return uuid.UUID(int=next(self._ids))

    @property
    def asked(self) -> int:
        return len(self.transport.asked)

    @property
    def scopes(self) -> list[str]:
        return [request.body.decode() for request in self.transport.requests]

    async def sign(self, upstream: Upstream = UPSTREAM) -> UpstreamRequest:
        return await self.signer.sign(REQUEST, upstream)

    async def token(self, upstream: Upstream = UPSTREAM) -> str:
        return dict((await self.sign(upstream)).headers)["Authorization"]

    async def failure(self, upstream: Upstream = UPSTREAM) -> UpstreamFailed:
        with pytest.raises(UpstreamFailed) as caught:
            await self.sign(upstream)
        assert not self.transport.under_way
        return caught.value


def run(test: Coroutine[Any, Any, None]) -> None:
    in_no_time(test)
