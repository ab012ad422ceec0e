"""What came back: the head, and reads for as long as the reader wants them."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Protocol, Self

from tornado.httpclient import AsyncHTTPClient, HTTPResponse

from tproxy.core import failures
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken, Sink, UpstreamHead, UpstreamRequest
from tproxy.transport.decoding import Decoder
from tproxy.transport.fetch import Fetch
from tproxy.transport.route import Route


class Flow(Protocol):
    """Where the reads come from."""

    def resume(self) -> None:
        """The reader has taken what there was; go on."""
        ...


class Reply:
    """An exchange as its reader sees it: a `core.upstream.UpstreamReply`.

    Entering sends the request and waits for the head; leaving hangs up unless the reply
    is whole. `on_head`, `on_read` and `on_end` are for whoever brings the reply; `held`
    says how many bytes the reader has not taken, `over` that no more are wanted, `sent`
    that the provider may have the request. `decode`: what comes compressed is read as
    what it says.
    """

    __slots__ = (
        "_client",
        "_decoder",
        "_decodes",
        "_error",
        "_future",
        "_head",
        "_patience",
        "_reads",
        "_refused",
        "_request",
        "_route",
        "_sink",
        "_waiter",
        "flow",
        "held",
        "over",
        "sent",
        "status",
    )

    def __init__(
        self,
        client: AsyncHTTPClient,
        route: Route,
        request: UpstreamRequest,
        patience: Patience,
        decode: bool = True,
    ) -> None:
        self._client = client
        self._route = route
        self._request = request
        self._patience = patience
        self._decodes = decode
        self._future: asyncio.Future[HTTPResponse] | None = None
        self._head: UpstreamHead | None = None
        self._decoder: Decoder | None = None
        self._reads: list[bytes] = []
        self._sink: Sink | None = None
        self._refused = b""
        self.over = False
        self._error: Broken | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.flow: Flow | None = None
        self.held = 0
        self.sent = False
        self.status = 0  # 0: there is no head yet

    async def __aenter__(self) -> Self:
        route, request = self._route, self._request
        try:
            head = route.head(request)
        except ValueError as error:  # a name or value that would not stay one header
            raise Broken(failures.UNREACHABLE, str(error)) from error
        fetch = Fetch(self, route, request, self._patience, head)
        future = self._future = self._client.fetch(fetch, raise_error=False)
        if fetch.is_plain:  # the client is not ours, and tells in Tornado's way only
            future.add_done_callback(fetch.ended)
        try:
            while self._head is None and not self.over:
                await self._more()
            if self._error is not None and self._head is None:
                raise self._error
            if self.status == 407 and route.origin.proxy is not None:
                raise Broken(failures.UNREACHABLE, "the proxy refused: 407")
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    @property
    def head(self) -> UpstreamHead:
        if self._head is None:
            raise RuntimeError("there is no head before the block is entered")
        return self._head

    def rest(self) -> bytes | None:
        """What was not read of a reply that is here by now, as it came; else None."""
        if not self.over or self._error is not None or self._decoder is not None:
            return None
        return self._take() if self._reads and not self._refused else None

    async def read(self, sink: Sink | None = None) -> bytes:
        """See the port."""
        while True:
            refused, self._refused = self._refused, b""
            if refused:
                self.held -= len(refused)
                self._go_on()
                return refused
            if self.held:
                data = self._take()
                if data:
                    return data
            elif self.over:
                if self._error is not None:
                    raise self._error
                if self._decoder is not None:
                    self._decoder.close()
                return b""
            else:
                self._sink = None if self._decoder is not None else sink
                try:
                    await self._more()
                finally:
                    self._sink = None

    def on_head(self, head: UpstreamHead) -> None:
        coding = head.headers.get("content-encoding")
        if coding is not None and self._decodes:
            head = self._decoded(head, coding.lower())
        self._head = head
        self.status = head.status
        self._wake()

    def on_read(self, data: bytes) -> None:
        sink = self._sink
        if sink is None:
            self._reads.append(data)
        elif sink(data):
            return
        else:
            # The reader is to know it for what it is, whatever else comes before it
            # has woken.
            self._sink, self._refused = None, data
        self.held += len(data)
        if self._waiter is not None:
            self._wake()

    def on_end(self, error: Broken | None) -> None:
        """The last call: nothing more comes."""
        if not self.over:
            self.over = True
            self._error = error
            self.flow = None
            if self._waiter is not None:
                self._wake()

    def _decoded(self, head: UpstreamHead, coding: str) -> UpstreamHead:
        """Prepare to decode."""
        if coding == "identity":
            return head
        self._decoder = Decoder(coding)
        inapplicable = ("content-encoding", "content-length")
        kept = {n: v for n, v in head.headers.items() if n not in inapplicable}
        return UpstreamHead(head.status, kept)

    def _take(self) -> bytes:
        """What is held, as one read; with a decoder, a bounded step of it."""
        reads, decoder = self._reads, self._decoder
        if reads:
            data = reads[0] if len(reads) == 1 else b"".join(reads)
            reads.clear()
        else:
            data = b""
        if decoder is None:
            self.held = 0
        else:
            if data:
                decoder.feed(data)
            data = decoder.take()
            self.held = decoder.held
        if self.flow is not None:
            self._go_on()
        return data

    def _go_on(self) -> None:
        if not self.held and self.flow is not None:
            self.flow.resume()

    def _more(self) -> asyncio.Future[None]:
        """Done once something has come. One reader at a time waits for it."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _leave(self) -> None:
        future, self._future = self._future, None
        self._reads.clear()
        self._refused = b""
        self._error = None  # its trace leads back to here
        self.held = 0
        self.flow = None
        self.over = True
        if future is not None and not future.done():
            future.cancel()
