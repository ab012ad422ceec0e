"""An AsyncHTTPClient over pooled asyncio transports and llhttp."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from tproxy.core.model import Limits
from tproxy.transport.exchange import Exchange
from tproxy.transport.fetch import Fetch
from tproxy.transport.ordinary import Ordinary
from tproxy.transport.pool import Pool


class PooledClient(AsyncHTTPClient):
    """Takes any `HTTPRequest`; a `Fetch` takes a shorter way. Cancelling hangs up.

    `limits` are for requests that are not a `Fetch`, which brings its own.
    """

    _loop: asyncio.AbstractEventLoop
    _limits: Limits
    _pool: Pool

    def initialize(
        self, defaults: dict[str, Any] | None = None, limits: Limits | None = None
    ) -> None:
        super().initialize(defaults)
        self._loop = asyncio.get_running_loop()
        self._limits = Limits() if limits is None else limits
        self._pool = Pool(self._loop)

    @property
    def idle(self) -> int:
        """How many connections are kept for later."""
        return len(self._pool.idle)

    @property
    def busy(self) -> int:
        """How many connections are in use, or being opened."""
        return sum(host.places for host in self._pool.hosts.values()) - self.idle

    @property
    def waiting(self) -> int:
        """How many exchanges wait for a connection."""
        return sum(len(host.waiting) for host in self._pool.hosts.values())

    def close(self) -> None:
        """Close every connection; whoever still waits is told."""
        super().close()
        self._pool.close()

    def fetch(
        self,
        request: str | HTTPRequest,
        raise_error: bool = True,
        **kwargs: Any,
    ) -> asyncio.Future[HTTPResponse]:
        if self._closed:
            raise RuntimeError("fetch() called on closed AsyncHTTPClient")
        if isinstance(request, Fetch):
            host = self._pool.host(request.route.origin)
            exchange = Exchange(request, host, self._loop)
            host.begin(exchange)
            return exchange
        if not isinstance(request, HTTPRequest):
            request = HTTPRequest(request, **kwargs)
        elif kwargs:
            raise ValueError("kwargs can't be used if request is an HTTPRequest object")
        ordinary = Ordinary(self, request, self.defaults, self._limits)
        return self._loop.create_task(ordinary.fetch(raise_error))
