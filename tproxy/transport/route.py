"""Where a request goes: the origin that names its pool, and its first lines."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import attrs

from tproxy import __version__
from tproxy.core.model import Limits, Tls
from tproxy.core.upstream import Headers, UpstreamRequest

_PORTS = {"http": 80, "https": 443}
_TARGET = re.compile(r"[!-~]+")
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # a length is said even if it is 0
_FRAMING = frozenset({"host", "connection", "content-length", "transfer-encoding"})


@attrs.frozen
class Proxy:
    """An HTTP proxy; `authorization` is the value of Proxy-Authorization."""

    host: str
    port: int
    authorization: str | None = attrs.field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Proxy:
        """Read `http://user:password@host:port`; a missing port is 80.

        Raises:
            ValueError: it is something else. The message holds no credentials.
        """
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname or parts.path.strip("/"):
            raise ValueError("a proxy is http://user:password@host:port")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(parts.hostname, parts.port or 80, authorization)


@attrs.frozen(cache_hash=True)
class Origin:
    """Requests to equal origins may share connections.

    `permits` judges the addresses that may be connected to; None: all may.
    """

    scheme: str
    host: str
    port: int
    tls: Tls
    proxy: Proxy | None
    limits: Limits
    permits: Callable[[str], bool] | None = None

    @property
    def authority(self) -> str:
        """Host and port, as CONNECT and error messages spell them."""
        return f"{_bracketed(self.host)}:{self.port}"


@attrs.frozen(eq=False)
class Route:
    """A parsed URL. `start` is the request's head from after the method on."""

    origin: Origin
    start: str = attrs.field(repr=False)
    _heads: dict[tuple[str, Headers], str] = attrs.field(
        factory=dict, init=False, repr=False
    )

    @classmethod
    def parse(
        cls,
        url: str,
        tls: Tls,
        proxy: Proxy | None,
        limits: Limits,
        permits: Callable[[str], bool] | None = None,
    ) -> Route:
        """Read the URL of a request.

        Through a proxy, a plain `http` target is asked for in absolute form, as proxies
        expect (RFC 9112, 3.2.2); CONNECT is for `https`.

        Raises:
            ValueError: it is no URL that can be asked. The message does not repeat it.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError("not a URL of http or https")
        host = parts.hostname
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        default = _PORTS[parts.scheme]
        port = default if parts.port is None else parts.port
        authority = _bracketed(host)
        if port != default:
            authority = f"{authority}:{port}"
        target = parts.path or "/"
        if parts.query:
            target = f"{target}?{parts.query}"
        if not _TARGET.fullmatch(target) or not _TARGET.fullmatch(authority):
            raise ValueError("a URL holds visible ASCII only")
        extra = ""
        if proxy is not None and parts.scheme == "http":
            target = f"http://{authority}{target}"
            if proxy.authorization is not None:
                extra = f"Proxy-Authorization: {proxy.authorization}\r\n"
        origin = Origin(parts.scheme, host, port, tls, proxy, limits, permits)
        return cls(origin, f" {target} HTTP/1.1\r\nHost: {authority}\r\n{extra}")

    def head(self, request: UpstreamRequest) -> bytes:
        """The head of a request, as it goes out.

        Host and framing are ours to say, so a header that says them is left out. Unless
        the caller asks for another coding the reply is to come in none.

        Raises:
            ValueError: a name or value would not stay one header.
        """
        method, headers, body = request.method, request.headers, request.body
        head = self._heads.get((method, headers))
        if head is None:
            head = self._written(method, headers)
            if len(self._heads) >= _MOST_HEADS:  # tokens change, and some ids each time
                self._heads.clear()
            self._heads[method, headers] = head
        if body or method in _WITH_BODY:
            head = f"{head}Content-Length: {len(body)}\r\n"
        return f"{head}\r\n".encode("latin-1")

    def _written(self, method: str, headers: Headers) -> str:
        """A head but for its length. Most requests to a provider have the same one."""
        lines = []
        coding = agent = False
        for name, value in headers:
            key = _KNOWN.get(name) or _known(name)
            if key in _FRAMING:
                continue
            if key == "accept-encoding":
                coding = True
            elif key == "user-agent":
                agent = True
            lines.append(f"{name}: {value}\r\n")
        if not coding:
            lines.append("Accept-Encoding: identity\r\n")
        if not agent:
            lines.append(_USER_AGENT)
        text = "".join(lines)
        if not text.count("\n") == text.count("\r") == len(lines) or "\0" in text:
            raise ValueError("a header value holds a line break or NUL")
        return f"{method}{self.start}{text}"


_MOST_HEADS = 64  # written ones that are kept, of one route
_USER_AGENT = f"User-Agent: tproxy/{__version__}\r\n"
_KNOWN: dict[str, str] = {}  # header names seen, in lower case: few, and checked once


def _known(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("not a header name")
    key = name.lower()
    if len(_KNOWN) < 1000:
        _KNOWN[name] = key
    return key


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
