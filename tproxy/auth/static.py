"""Keys that are sent as they are."""

from __future__ import annotations

import attrs

from tproxy.core.model import Upstream
from tproxy.core.upstream import UpstreamRequest


@attrs.frozen
class BearerToken:
    """`Authorization: Bearer KEY`; nothing where the provider needs no key."""

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        if not upstream.token:
            return request
        bearer = ("Authorization", f"Bearer {upstream.token.reveal()}")
        headers = (*request.headers, bearer)
        return UpstreamRequest(request.method, request.url, headers, request.body)
