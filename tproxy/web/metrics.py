"""`GET /metrics`: for Prometheus and what reads the same."""

from __future__ import annotations

from tproxy.core.errors import AuthenticationFailed
from tproxy.web.operators import OperatorHandler


class MetricsHandler(OperatorHandler):
    """For operators only: what clients do adds up here."""

    def check(self) -> None:
        super().check()
        if self.request.method != "OPTIONS" and not self.is_operator:
            raise AuthenticationFailed

    async def get(self) -> None:
        accept = self.request.headers.get("Accept", "")
        kind, text = await self.context.figures.page(accept)
        self.set_header("Content-Type", kind)
        self.set_header("Cache-Control", "no-store")
        self.finish(text.encode("utf-8", "replace"))

    head = get
