"""The Transport port over an AsyncHTTPClient, ours unless another is given."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter

import attrs
from tornado.httpclient import AsyncHTTPClient

from tproxy.core import failures
from tproxy.core.model import Patience, Reach, Upstream
from tproxy.core.upstream import Broken, UpstreamRequest
from tproxy.transport.client import PooledClient
from tproxy.transport.reply import Reply
from tproxy.transport.route import Proxy, Route

_MOST_ROUTES = 4096


@attrs.define(eq=False)
class PooledTransport:
    """`core.upstream.Transport`. Belongs to the event loop that first opens something.

    `reach` is asked once per upstream and URL.
    """

    _reach: Callable[[Upstream], Reach] = attrgetter("reach")
    _client: AsyncHTTPClient | None = None
    # By identity, since hashing an upstream costs more than all else here; the value
    # keeps the upstream, and so its identity, alive.
    _routes: dict[tuple[int, str], tuple[Route, Upstream]] = attrs.field(
        factory=dict, init=False
    )

    def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> Reply:
        """See the port.

        Raises:
            Broken: this URL cannot be asked, or not through this proxy.
        """
        client = self._client
        if client is None:
            client = self._client = PooledClient(force_instance=True)
        known = self._routes.get((id(upstream), request.url))
        route = self._route(request.url, upstream) if known is None else known[0]
        return Reply(client, route, request, patience)

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many are idle, and busy, and how many exchanges wait for one."""
        client = self._client
        if not isinstance(client, PooledClient):
            return 0, 0, 0
        return client.idle, client.busy, client.waiting

    def close(self) -> None:
        """Close every connection, idle or not."""
        if self._client is not None:
            self._client.close()

    def _route(self, url: str, upstream: Upstream) -> Route:
        reach = self._reach(upstream)
        try:
            proxy = None if reach.proxy is None else Proxy.parse(reach.proxy)
            route = Route.parse(url, upstream.tls, proxy, reach.limits)
        except ValueError as error:
            raise Broken(failures.UNREACHABLE, str(error)) from error
        if len(self._routes) >= _MOST_ROUTES:
            self._routes.clear()
        self._routes[id(upstream), url] = route, upstream
        return route
