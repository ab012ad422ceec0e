"""The response to one request, as a handler writes it.

What this module rests on in Tornado 6.6: a `RequestHandler` uses of its connection
`context`, `write_headers`, `write`, `finish` and `set_close_callback`, and waits for
the futures of the first two. The futures here may be done already, and be shared. An
`HTTPHeaders` keeps its values in `_as_list`, by normalised names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import attrs
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)

from tproxy.server.outflow import Outflow
from tproxy.server.peer import Peer


class Owner(Protocol):
    """The connection an exchange takes place on."""

    @property
    def lasting(self) -> bool:
        """Whether another request may follow the one under way."""
        ...

    def date(self) -> str: ...

    def answered(self, exchange: Exchange) -> None: ...

    def hang_up(self, exchange: Exchange) -> None: ...


@attrs.define(eq=False)
class Exchange(HTTPConnection):
    """One response. It cannot reach past its end into the next one's bytes."""

    context: Peer
    _owner: Owner
    _outflow: Outflow
    _http_1_0: bool
    asked: RequestStartLine
    keep_alive: bool
    # Not `init=False`, with which attrs looks up each default for each exchange.
    started: bool = False
    finished: bool = False
    _chunked: bool = False
    _missing: int | None = None  # of Content-Length
    _on_close: Callable[[], None] | None = None

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Have `callback` called if the client leaves before the response's end."""
        self._on_close = callback

    def leave(self) -> None:
        """The client has left: tell the handler."""
        callback, self._on_close = self._on_close, None
        if callback is not None:
            callback()

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> asyncio.Future[None]:
        """Send the head and the first of the body.

        Raises:
            ValueError: a header would break out of its line.
            HTTPOutputError: a second head, or more body than Content-Length says.
        """
        if self.started and not self._outflow.closed:
            raise HTTPOutputError("the response has a head already")
        if not isinstance(start_line, ResponseStartLine):
            raise TypeError("a server writes responses")
        _, code, reason = start_line
        named = headers._as_list
        lines = [f"HTTP/1.1 {code} {reason}"]
        for name, values in named.items():
            if len(values) == 1:  # as good as always: a loop would cost as much again
                lines.append(f"{name}: {values[0]}")
            else:
                lines += [f"{name}: {value}" for value in values]
        said = "".join(lines)  # to look at all at once, before they have ends
        if "\r" in said or "\n" in said or "\0" in said:
            raise ValueError("a response header contains CR, LF or NUL")
        if "Connection" in named or "Transfer-Encoding" in named:
            lines = self._without_framing(lines)
        if "Date" not in named:
            lines.append(f"Date: {self._owner.date()}")
        head = "\r\n".join(lines).encode("latin-1")  # before anything is settled
        framing = self._framing(code, named.get("Content-Length"))
        self.started = True
        return self._send(b"%b\r\n%b\r\n" % (head, framing), chunk)

    def write(self, chunk: bytes) -> asyncio.Future[None]:
        """Send some of the body.

        Raises:
            HTTPOutputError: it is more than Content-Length says.
        """
        if self._chunked and chunk and not self.finished:  # as most come, in streams
            return self._outflow.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if not self.started:
            raise HTTPOutputError("the response has no head yet")
        return self._send(b"", chunk)

    def finish(self) -> None:
        """End the response.

        Raises:
            HTTPOutputError: it is shorter than Content-Length says.
        """
        if self.finished:
            return
        if self._chunked:
            self._outflow.write(b"0\r\n\r\n")
        elif (self._missing or not self.started) and not self._outflow.closed:
            self._break_off()
            raise HTTPOutputError("the response ended early")
        self.finished = True
        self._on_close = None
        self._owner.answered(self)

    def close(self) -> None:
        """Hang up, once all that was written has gone out."""
        self._on_close = None
        self._owner.hang_up(self)

    def _send(self, head: bytes, chunk: bytes | None) -> asyncio.Future[None]:
        if self.finished and not self._outflow.closed:
            raise HTTPOutputError("the response has ended")
        if chunk:
            if self._chunked:
                framed = b"%b%x\r\n%b\r\n" % (head, len(chunk), chunk)
                return self._outflow.write(framed)
            if self._missing is not None:
                self._missing -= len(chunk)
                if self._missing < 0 and not self._outflow.closed:
                    self._break_off()
                    raise HTTPOutputError("the response is over its Content-Length")
            return self._outflow.write(head + chunk if head else chunk)
        return self._outflow.write(head)

    def _break_off(self) -> None:
        """Let the client see that this is not the whole response."""
        self._on_close = None
        self._outflow.cut()

    def _framing(self, code: int, lengths: list[str] | None) -> bytes:
        """Settle how the client will know the body's end, and return the headers."""
        framing = b""
        if code in (204, 304) or code < 200 or self.asked.method == "HEAD":
            self._missing = 0
        elif lengths:
            [length] = lengths
            self._missing = int(length)
        elif self._http_1_0:
            self.keep_alive = False  # the end of the connection is the end of the body
        else:
            self._chunked = True
            framing = b"Transfer-Encoding: chunked\r\n"
        self.keep_alive = self.keep_alive and self._owner.lasting
        if not self.keep_alive:
            return framing + b"Connection: close\r\n"
        return framing + b"Connection: keep-alive\r\n" if self._http_1_0 else framing

    def _without_framing(self, lines: list[str]) -> list[str]:
        """What ends a message and a connection is ours to say; asking is allowed."""
        if "Connection: close" in lines:
            self.keep_alive = False
        own = ("Connection: ", "Transfer-Encoding: ")
        return [line for line in lines if not line.startswith(own)]
