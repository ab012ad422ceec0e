"""Whichever credential an upstream takes."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import attrs

from tproxy.core.model import ClientCredentials, Upstream
from tproxy.core.upstream import Signer, UpstreamRequest


@attrs.frozen
class AnySigner:
    """The `core.upstream.Signer` that asks the one for the kind of credential."""

    static: Signer
    oauth: Signer

    def sign(
        self, request: UpstreamRequest, upstream: Upstream
    ) -> Coroutine[Any, Any, UpstreamRequest]:
        return self._of(upstream).sign(request, upstream)

    def refused(self, request: UpstreamRequest, upstream: Upstream) -> bool:
        return self._of(upstream).refused(request, upstream)

    def _of(self, upstream: Upstream) -> Signer:
        is_oauth = isinstance(upstream.auth, ClientCredentials)
        return self.oauth if is_oauth else self.static
