"""CONNECT: asking a proxy for a connection to somewhere else (RFC 9110, 9.3.6)."""

from __future__ import annotations

import asyncio
import re
from typing import cast

from tproxy.core import failures
from tproxy.core.upstream import Broken

_LONGEST = 16_384  # bytes of the proxy's answer
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([ -~]{0,100}))?")


class Tunnel(asyncio.Protocol):
    """Asks and waits; `opened` is done when bytes go through.

    `opened` ends in Broken where the proxy refuses or is none.
    """

    def __init__(self, authority: str, authorization: str | None) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if authorization is not None:
            lines.append(f"Proxy-Authorization: {authorization}")
        self._ask = "\r\n".join([*lines, "", ""]).encode()
        self._answer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._ask)

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end:
            self._judge(bytes(head), bytes(rest))
        elif len(self._answer) > _LONGEST:
            self._refuse("the proxy's answer does not end")

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse(f"the proxy closed the connection: {exc}")

    def _judge(self, head: bytes, rest: bytes) -> None:
        said = _STATUS.match(head)
        if said is None:
            self._refuse("the proxy does not speak HTTP")
        elif not said[1].startswith(b"2"):
            reason = (said[2] or b"").decode("ascii")
            self._refuse(f"the proxy refused: {said[1].decode()} {reason}".rstrip())
        elif rest:
            self._refuse("the proxy sent bytes nobody asked for")
        elif not self.opened.done():
            self.opened.set_result(None)

    def _refuse(self, detail: str) -> None:
        if not self.opened.done():
            self.opened.set_exception(Broken(failures.UNREACHABLE, detail))
            self.opened.exception()  # whoever was to wait for it may have left
