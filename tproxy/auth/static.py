"""Keys that are sent as they are."""

from __future__ import annotations

import attrs

from tproxy.core.model import KeyHeader, Upstream
from tproxy.core.upstream import UpstreamRequest


@attrs.frozen
class StaticKey:
    """The key in the provider's header; nothing where it needs none."""

    async def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> UpstreamRequest:
        at, key = upstream.auth, upstream.token.reveal()
        if not (key and request.ours and isinstance(at, KeyHeader)):
            return request
        said = f"{at.scheme} {key}" if at.scheme else key
        headers = (*request.headers, (at.name, said))
        return UpstreamRequest(request.method, request.url, headers, request.body)

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        return False  # there is no other
