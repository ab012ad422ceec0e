"""A prepared request: what our client sends as it stands, and any other can read.

`Fetch` is an `HTTPRequest`, so that any `AsyncHTTPClient` can stand in for ours: it
spells itself out as one when the first attribute of that class is asked for. Ours never
asks, which spares it `HTTPHeaders` and Tornado's defaults, several times the cost of
the exchange itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.httputil import HTTPHeaders, parse_response_start_line
from tornado.iostream import StreamClosedError

from tproxy.core import failures
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken, UpstreamHead, UpstreamRequest
from tproxy.core.values import value
from tproxy.transport.route import Route
from tproxy.transport.tls import Contexts

if TYPE_CHECKING:
    from tproxy.transport.reply import Reply

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})  # a length is said even if it is 0
_HELD = 32_768  # bytes the reader may leave before `streaming_callback` waits


@value
class Plan:
    """What is to be sent, where, and how long it may take.

    `decode`: a reply that comes compressed is read as what it says.
    """

    route: Route
    request: UpstreamRequest
    patience: Patience
    decode: bool = True

    def head(self) -> bytes:
        """The request's head, as it goes out.

        Raises:
            ValueError: a name or value would not stay one header.
        """
        request = self.request
        method, body = request.method, request.body
        size = len(body) if body or method in _WITH_BODY else None
        return self.route.head(method, request.headers, size)


class Fetch(HTTPRequest):
    """A plan with its `head`, ready to go out; `reply` hears what comes back.

    Whoever has to do with each request takes what is in it once: with `__getattr__`
    Python looks up any attribute five times as long.
    """

    def __init__(self, reply: Reply, plan: Plan, head: bytes) -> None:
        self.reply = reply
        self.plan = plan
        self.head = head
        self.is_plain = False  # whether somebody read it as an HTTPRequest

    def __getattr__(self, name: str) -> Any:
        if self.is_plain or name.startswith("__"):
            raise AttributeError(name)
        self.is_plain = True
        plan = self.plan
        teller = _Teller(self.reply)
        self._teller = teller
        headers = HTTPHeaders()
        for field, said in plan.request.headers:
            headers.add(field, said)
        super().__init__(
            plan.request.url,
            plan.request.method,
            headers,
            plan.request.body or None,
            connect_timeout=plan.patience.connect,
            request_timeout=0,
            follow_redirects=False,
            decompress_response=False,
            header_callback=teller.line,
            streaming_callback=teller.read,
            allow_nonstandard_methods=True,
            ssl_options=Contexts().of(plan.route.origin.tls)
            if plan.route.origin.scheme == "https"
            else None,
        )
        return getattr(self, name)

    def ended(self, response: asyncio.Future[HTTPResponse]) -> None:
        """Another client is done; the reader is told in our words."""
        self._teller.ended(response)


class _Teller:
    """Tells a reply what Tornado's callbacks say, and lets them wait for its reader."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._lines: list[str] = []
        self._heard = False
        self._taken = asyncio.Event()

    def line(self, line: str) -> None:
        """One line of a head; an empty one ends it. Informational heads come too."""
        if self._heard:  # trailers
            return
        if line.strip():
            self._lines.append(line)
            return
        first, *rest = self._lines
        self._lines = []
        status = parse_response_start_line(first.strip()).code
        if status >= 200:
            self._heard = True
            named = HTTPHeaders.parse("".join(rest)).items()
            self._reply.on_head(UpstreamHead(status, {n.lower(): v for n, v in named}))

    async def read(self, data: bytes) -> None:
        reply = self._reply
        if reply.over:
            raise StreamClosedError  # the one way to stop Tornado's simple client
        reply.on_read(data)
        if reply.held > _HELD:
            self._taken.clear()
            reply.flow = self
            await self._taken.wait()

    def resume(self) -> None:
        self._taken.set()

    def ended(self, response: asyncio.Future[HTTPResponse]) -> None:
        if response.cancelled():
            return
        error = response.exception()
        if error is None and response.result().code == 599:
            error = response.result().error
        row = failures.EARLY_END if self._heard else failures.LOST
        self._reply.on_end(None if error is None else Broken(row, repr(error)))
