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
from tproxy.transport.route import Route
from tproxy.transport.tls import Contexts

if TYPE_CHECKING:
    from tproxy.transport.reply import Reply

_HELD = 32_768  # bytes the reader may leave before `streaming_callback` waits


class Spelled:
    """An attribute of a class of Tornado's, which `spell_out` sets with all others.

    Only an instance that has none by that name comes here. `__getattr__` would do as
    well, but with it Python looks up any attribute five times as long.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        owner.spell_out()
        return getattr(owner, self._name)


class Fetch(HTTPRequest):
    """A request with its `head`, ready to go out; `reply` hears what comes back."""

    __slots__ = (
        "_teller",
        "head",
        "is_plain",
        "patience",
        "reply",
        "request",
        "route",
    )

    def __init__(
        self,
        reply: Reply,
        route: Route,
        request: UpstreamRequest,
        patience: Patience,
        head: bytes,
    ) -> None:
        self.reply = reply
        self.route = route
        self.request = request
        self.patience = patience
        self.head = head
        self.is_plain = False  # whether somebody read it as an HTTPRequest

    def spell_out(self) -> None:
        """Become an HTTPRequest in full."""
        self.is_plain = True
        request, origin = self.request, self.route.origin
        self._teller = teller = _Teller(self.reply)
        headers = HTTPHeaders()
        for field, said in request.headers:
            headers.add(field, said)
        super().__init__(
            request.url,
            request.method,
            headers,
            request.body or None,
            connect_timeout=self.patience.connect,
            request_timeout=0,
            follow_redirects=False,
            decompress_response=False,
            header_callback=teller.line,
            streaming_callback=teller.read,
            allow_nonstandard_methods=True,
            ssl_options=Contexts().of(origin.tls) if origin.scheme == "https" else None,
        )

    def ended(self, response: asyncio.Future[HTTPResponse]) -> None:
        """Another client is done; the reader is told in our words."""
        self._teller.ended(response)


for _name in vars(HTTPRequest("")):
    setattr(Fetch, _name, Spelled(_name))


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
