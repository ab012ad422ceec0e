"""Routes for those who run the proxy."""

from __future__ import annotations

from tproxy.core.model import Client
from tproxy.web.base import BaseHandler
from tproxy.web.loopback import from_here


class OperatorHandler(BaseHandler):
    """Whoever asks from this machine is an operator, and needs no token.

    So is, from anywhere, a client that the configuration calls one.
    """

    def authenticated(self) -> Client | None:
        if from_here(self.request) and "Authorization" not in self.request.headers:
            return None
        return super().authenticated()

    @property
    def is_operator(self) -> bool:
        client = self.client
        return from_here(self.request) or (client is not None and client.operator)
