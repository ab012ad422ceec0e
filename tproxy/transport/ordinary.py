"""Any HTTPRequest, asked through the engine: Tornado's interface as it is documented.

What the engine does not do it refuses: body producers, `expect_100_continue`,
`network_interface`, `ssl_options`, `validate_cert=False` and curl's own settings.
Headers of a reply that were repeated come joined.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import io
import time
from collections.abc import Mapping
from http.client import responses
from typing import Any
from urllib.parse import urljoin, urlsplit

from tornado.escape import utf8
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders, format_timestamp
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

from tproxy.core import failures
from tproxy.core.model import Limits, Patience, Tls
from tproxy.core.upstream import Broken, UpstreamHead, UpstreamRequest
from tproxy.transport.reply import Reply
from tproxy.transport.route import Proxy, Route

_LONG = 86_400.0  # seconds; Tornado knows no such limit, or one for the whole
_TIMEOUTS = (failures.NO_CONNECT, failures.FIRST_BYTE, failures.SILENCE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_OF_A_BODY = ("content-length", "content-type", "content-encoding", "transfer-encoding")
_UNSUPPORTED = (
    "body_producer",
    "expect_100_continue",
    "network_interface",
    "prepare_curl_callback",
    "ssl_options",
)


class Ordinary:
    """One request, redirects included; `defaults` are the client's."""

    def __init__(
        self,
        client: AsyncHTTPClient,
        request: HTTPRequest,
        defaults: Mapping[str, Any],
        limits: Limits,
    ) -> None:
        self._client = client
        self._request = request
        self._defaults = defaults
        self._limits = limits
        refused = [name for name in _UNSUPPORTED if self._said(name)]
        if not self._said("validate_cert"):
            refused.append("validate_cert=False")
        if refused:
            raise ValueError(f"not supported: {', '.join(refused)}")

    async def fetch(self, raise_error: bool) -> HTTPResponse:
        seconds = self._said("request_timeout") or None
        try:
            async with asyncio.timeout(seconds):
                response = await self._follow()
        except TimeoutError:
            raise HTTPTimeoutError("Timeout during request") from None
        except Broken as broken:
            timed_out = broken.failure in _TIMEOUTS
            kind = HTTPTimeoutError if timed_out else HTTPStreamClosedError
            raise kind(str(broken)) from broken
        if raise_error:
            response.rethrow()
        return response

    async def _follow(self) -> HTTPResponse:
        request = self._request
        url, method, body = request.url, request.method, utf8(request.body or b"")
        headers = self._headers()
        left = self._said("max_redirects") if self._said("follow_redirects") else 0
        while True:
            asked = UpstreamRequest(method, url, tuple(headers.get_all()), body)
            response = await self._ask(asked, may_redirect=left > 0)
            to = response.headers.get("Location")
            if not left or response.code not in _REDIRECTS or to is None:
                return response
            left -= 1
            before, url = url, urljoin(url, to)
            if response.code == 303 or (response.code < 303 and method == "POST"):
                method, body = "GET", b""
                for name in _OF_A_BODY:
                    headers.pop(name, None)
            if urlsplit(before)[:2] != urlsplit(url)[:2]:
                headers.pop("Authorization", None)
                headers.pop("Cookie", None)

    async def _ask(self, asked: UpstreamRequest, *, may_redirect: bool) -> HTTPResponse:
        started, clock = time.time(), time.monotonic()
        connect = self._said("connect_timeout") or _LONG
        patience = Patience(connect, _LONG, _LONG, _LONG)
        tls = Tls(
            self._said("ca_certs"), self._said("client_cert"), self._said("client_key")
        )
        route = Route.parse(asked.url, tls, self._proxy(), self._limits)
        decode = bool(self._said("decompress_response"))
        buffer = io.BytesIO()
        take = self._said("streaming_callback") or buffer.write
        async with Reply(self._client, route, asked, patience, decode) as reply:
            head = reply.head
            headers = HTTPHeaders()
            for name, value in head.headers.items():
                headers.add(name, value)
            self._tell(head, headers)
            if may_redirect and head.status in _REDIRECTS:
                take = buffer.write
            while data := await reply.read():
                result = take(data)
                if inspect.isawaitable(result):
                    await result
        buffer.seek(0)
        return HTTPResponse(
            self._request,
            head.status,
            headers,
            buffer,
            effective_url=asked.url,
            request_time=time.monotonic() - clock,
            start_time=started,
        )

    def _tell(self, head: UpstreamHead, headers: HTTPHeaders) -> None:
        """The head, in lines, as `header_callback` wants it."""
        tell = self._said("header_callback")
        if tell is not None:
            tell(f"HTTP/1.1 {head.status} {responses.get(head.status, 'Unknown')}\r\n")
            for name, value in headers.get_all():
                tell(f"{name}: {value}\r\n")
            tell("\r\n")

    def _headers(self) -> HTTPHeaders:
        headers = HTTPHeaders(self._request.headers)
        user = self._said("auth_username")
        if user is not None:
            if self._said("auth_mode") not in (None, "basic"):
                raise ValueError("not supported: auth_mode other than basic")
            pair = utf8(f"{user}:{self._said('auth_password') or ''}")
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        agent = self._said("user_agent")
        if agent:
            headers["User-Agent"] = agent
        since = self._said("if_modified_since")
        if since:
            headers["If-Modified-Since"] = format_timestamp(since)
        if self._said("decompress_response") and "Accept-Encoding" not in headers:
            headers["Accept-Encoding"] = "gzip"
        if self._request.method == "POST" and "Content-Type" not in headers:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        return headers

    def _proxy(self) -> Proxy | None:
        host = self._said("proxy_host")
        if not host:
            return None
        authorization = None
        user = self._said("proxy_username")
        if user:
            pair = utf8(f"{user}:{self._said('proxy_password') or ''}")
            authorization = f"Basic {base64.b64encode(pair).decode()}"
        return Proxy(host, self._said("proxy_port") or 80, authorization)

    def _said(self, name: str) -> Any:
        """A setting of the request, or the client's default for it."""
        value = getattr(self._request, name, None)
        return self._defaults.get(name) if value is None else value
