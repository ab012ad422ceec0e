"""The way to URLs that strangers name: public addresses only, and only so much.

All addresses that a name resolves to are judged before one of them is connected to, and
no others are: a name cannot change its mind in between. No proxy is used, which would
resolve the name again; no redirect is followed, no credential goes along, and nothing
of the provider's TLS settings is used.

Source: the IANA registries of special-purpose addresses (RFC 6890), as of 2025.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import attrs

from tproxy.core import failures
from tproxy.core.model import Limits, Patience, Tls, Upstream
from tproxy.core.upstream import (
    Broken,
    Sink,
    UpstreamHead,
    UpstreamReply,
    UpstreamRequest,
)
from tproxy.transport.client import PooledClient
from tproxy.transport.reply import Reply
from tproxy.transport.route import Route

LARGEST = 20_971_520  # bytes of a reply
_PATIENCE = Patience(connect=3.0, first_byte=10.0, silence=5.0, whole=30.0)
_LIMITS = Limits(max_idle_conns=0, max_idle_conns_per_host=0, max_conns_per_host=20)

_GLOBAL = ipaddress.IPv6Network("2000::/3")  # all else is special, or not in use
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in """
    0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
    2001::/23 2001:db8::/32 2002::/16 3fff::/20
    168.63.129.16/32
    """.split()  # noqa: SIM905 - and the last is Azure's own, in its virtual machines
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, and only that.

    Not so are those that stand for an IPv4 address (mapped, NAT64, 6to4, Teredo).
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if found.version == 6 and found not in _GLOBAL:
        return False
    return not any(found in network for network in _SPECIAL)


@attrs.define(eq=False)
class Outside:
    """`core.upstream.Transport` for what is not `ours`; of `upstream` it takes nothing.

    A body over `largest` bytes breaks. Belongs to the event loop that first opens
    something.
    """

    _permits: Callable[[str], bool] = is_public
    _largest: int = LARGEST
    _client: PooledClient | None = attrs.field(default=None, init=False)

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> AsyncIterator[UpstreamReply]:
        """See the port. `patience` is shortened to what a picture may take.

        Raises:
            Broken: as the port says, or its address is not public.
        """
        try:
            if "@" in urlsplit(request.url).netloc:
                raise ValueError("a URL with a user or password")
            route = Route.parse(request.url, Tls(), None, _LIMITS, self._permits)
        except ValueError as error:
            raise Broken(failures.UNREACHABLE, str(error)) from error
        if self._client is None:
            self._client = PooledClient(force_instance=True)
        reply = Reply(self._client, route, request, _shorter(patience))
        async with reply:
            yield _Bounded(reply, self._largest)

    def close(self) -> None:
        """Close every connection."""
        if self._client is not None:
            self._client.close()


@attrs.define(eq=False)
class _Bounded:
    """A reply that breaks where it gets too large."""

    _reply: Reply
    _left: int

    @property
    def head(self) -> UpstreamHead:
        return self._reply.head

    async def read(self, sink: Sink | None = None) -> bytes:
        data = await self._reply.read()
        self._left -= len(data)
        if self._left < 0:
            raise Broken(failures.MALFORMED, "too large")
        return data


def _shorter(patience: Patience) -> Patience:
    return Patience(*map(min, attrs.astuple(patience), attrs.astuple(_PATIENCE)))
