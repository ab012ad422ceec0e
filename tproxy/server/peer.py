"""Who is at the other end of a connection."""

from __future__ import annotations

import asyncio
import socket

import attrs


@attrs.frozen
class Peer:
    """Tornado reads `remote_ip` and `protocol` of a connection's `context`."""

    address: object
    remote_ip: str
    protocol: str

    @classmethod
    def of(cls, transport: asyncio.Transport) -> Peer:
        address = transport.get_extra_info("peername")
        # A Unix socket has no address worth the name; Tornado says 0.0.0.0.
        known = isinstance(address, tuple) and len(address) > 1
        secure = transport.get_extra_info("sslcontext") is not None
        return cls(
            address,
            str(address[0]) if known else "0.0.0.0",  # noqa: S104 - bound to nothing
            "https" if secure else "http",
        )


def send_at_once(transport: asyncio.Transport) -> None:
    """Turn Nagle's algorithm off.

    asyncio does so only where the listening socket names its protocol number.
    """
    client = transport.get_extra_info("socket")
    if client is not None and client.family in (socket.AF_INET, socket.AF_INET6):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
