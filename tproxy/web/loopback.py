"""Telling who asks from this very machine, and may look without a token."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

_BETWEEN = {"forwarded", "via", "x-real-ip"}


def from_here(request: HTTPServerRequest) -> bool:
    """Whether it comes from this machine, with nobody in between.

    A proxy in front lends its address to everybody behind it: it is known by what it
    adds, or, as nginx that was told nothing, by its HTTP/1.0. A page in a browser here
    belongs to whoever wrote it: it is known by its origin, and where its name was bound
    to this address (DNS rebinding), by that name.
    """
    names = {name.lower() for name in request.headers}
    passed_on = names & _BETWEEN or any(n.startswith("x-forwarded-") for n in names)
    if passed_on or "origin" in names or request.version == "HTTP/1.0":
        return False
    return _is_loopback(request.remote_ip or "") and _is_ours(request.host)


def _is_ours(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or _is_loopback(name)


def _is_loopback(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback
