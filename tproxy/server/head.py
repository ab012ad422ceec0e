"""Reads the head of a request: strictly, once, and before any handler hears of it.

llhttp parses. It is strict by default, but cannot be asked to be as strict as we are,
so the bytes are matched first against the grammar without its leniencies: no bare CR
or LF, no folding, no space before a colon (RFC 9112, 2.2, 5.1 and 5.2), no target that
is not a URI's. Framing is ours alone to judge: one Content-Length or one
`Transfer-Encoding: chunked`, never both (RFC 9112, 6.3; a proxy in front that read
them otherwise would let one request hide in another).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Final

import attrs
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import RequestStartLine

from tproxy.core.errors import InvalidRequest
from tproxy.server.headers import NAMES, ReceivedHeaders
from tproxy.server.limits import Limits
from tproxy.server.refusals import HeadTooLarge

END: Final = b"\r\n\r\n"

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_HEAD = re.compile(
    rb"(?:\r\n)?"  # RFC 9112, 2.2: after the body of a request before this one
    + _TOKEN
    + rb" ([A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]++) HTTP/1\.([01])\r\n"
    + rb"(?:"
    + _TOKEN
    + rb":[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n"
)
_NEVER = re.compile(rb"\0|\r[^\n]|[^\r]\n")
_ABSOLUTE = re.compile(r"https?://([^/?]+)(.*)", re.IGNORECASE)
_LENGTHS = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")  # as clients spell it
_MOST_SAID = 4_096  # bytes of a head that is remembered
_CR = 13
_MOST_DIGITS = 18  # of a length that still fits llhttp's 64 bits


@attrs.define(eq=False)
class Head:
    """One request's head. `length` is None where the body comes in chunks.

    Not frozen: a frozen value takes four times as long to make, and this one is made
    for every request.
    """

    start_line: RequestStartLine
    headers: ReceivedHeaders
    http_1_0: bool
    keep_alive: bool
    length: int | None
    expects_continue: bool

    def again(self, length: str) -> Head:
        """The same with another Content-Length, and with headers of its own."""
        return Head(
            self.start_line,
            self.headers.having("Content-Length", length),
            self.http_1_0,
            self.keep_alive,
            int(length),
            self.expects_continue,
        )


@attrs.define(eq=False)
class _Said:
    """A good head, as what stands before and after the digits of its length.

    On one connection a client says most of its heads again, but for that. The same
    bytes mean the same; to read them anew takes about four times as long.
    """

    _before: bytes
    _after: bytes
    _found: Head  # handed to nobody

    @classmethod
    def of(cls, head: bytes, found: Head) -> _Said | None:
        for name in _LENGTHS:
            at = head.find(name)
            if at >= 0:
                start = at + len(name)
                end = head.index(b"\r", start)
                length = found.headers["Content-Length"]
                after = head[end : -len(END)]
                return cls(head[:start], after, found.again(length))
        return None

    def again(self, head: bytes) -> Head | None:
        """This head, less its END, with another length; None if more differs."""
        before, after = self._before, self._after
        digits = head[len(before) : len(head) - len(after)]
        if not digits.isdigit() or len(digits) > _MOST_DIGITS:
            return None
        if before + digits + after != head:
            return None
        return self._found.again(digits.decode())


@attrs.define(eq=False)
class HeadReader:
    """Reads one head after the other. Each connection has its own."""

    _limits: Limits
    kept: bytearray = attrs.field(factory=bytearray, init=False)  # to become a head
    _searched: int = attrs.field(default=0, init=False)  # of these; there is no END
    _last: _Said | None = attrs.field(default=None, init=False)
    on_header: Callable[[bytes, bytes], None] = attrs.field(init=False)

    def keep(self, data: bytes) -> None:
        """Hold on to what came too early to be read."""
        self.kept += data

    def read(self, data: bytes) -> tuple[Head, bytes] | None:
        """Return the head that ends in `data`, and what follows it.

        None: there is only a part of a head, which is kept.

        Raises:
            InvalidRequest: it is not HTTP/1.1 as we accept it.
            HeadTooLarge: it has too many bytes or headers.
        """
        kept, most, known = self.kept, self._limits.head_bytes, self._searched
        self._searched = 0
        if kept:
            kept += data
            if kept.find(END, max(0, known - len(END) + 1)) >= 0:
                data = bytes(kept)
                kept.clear()
        if not kept:
            lines, end, rest = data.partition(END)
            if end and len(lines) + len(END) <= most:
                found = self._last and self._last.again(lines)
                return found or self._parsed(lines + END), rest
        beginning = kept or data
        _check_beginning(beginning[max(0, known - 1) : most])
        if len(beginning) > most:
            raise HeadTooLarge
        if not kept:
            kept += data
        self._searched = len(kept)
        return None

    def _parsed(self, head: bytes) -> Head:
        shape = _HEAD.fullmatch(head)
        if shape is None:
            raise _malformed("The request is not valid HTTP/1.1")
        count = head.count(b"\n") - (3 if head[0] == _CR else 2)
        if count > self._limits.headers:
            raise HeadTooLarge
        # llhttp calls the dictionary itself: nothing is cheaper.
        received: dict[bytes, bytes] = {}
        self.on_header = received.__setitem__
        parser = HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except HttpParserUpgrade:
            pass  # to what it offers; we stay with HTTP/1.1 (RFC 9110, 7.8)
        except HttpParserError as error:
            raise _malformed(str(error)) from None
        if b" \r\n" in head or b"\t" in head:
            received = {name: value.rstrip() for name, value in received.items()}
        fields = {
            NAMES[name]: [str(value, "latin-1")] for name, value in received.items()
        }
        if len(fields) != count:
            fields = _repeated(head)
        http_1_0 = shape[2] == b"0"
        method = parser.get_method().decode("ascii")
        target = shape[1].decode("ascii")
        if target[0] != "/":
            target = _normalised(method, target, fields)
        if len(fields.get("Host", ())) != 1 and not (http_1_0 and "Host" not in fields):
            raise _malformed("There has to be one Host header")
        found = Head(
            RequestStartLine(method, target, "HTTP/1.0" if http_1_0 else "HTTP/1.1"),
            ReceivedHeaders(fields),
            http_1_0,
            _keeps_alive(fields, http_1_0),
            _length(fields, http_1_0),
            "Expect" in fields and _expects_continue(fields, http_1_0),
        )
        self._last = _Said.of(head, found) if len(head) <= _MOST_SAID else None
        return found


@attrs.define(eq=False)
class _Fields:
    """Collects headers of which some have the same name."""

    found: dict[str, list[str]] = attrs.field(factory=dict)

    def on_header(self, name: bytes, value: bytes) -> None:
        said = self.found.setdefault(NAMES[name], [])
        said.append(str(value.rstrip(), "latin-1"))


def _repeated(head: bytes) -> dict[str, list[str]]:
    fields = _Fields()
    with contextlib.suppress(HttpParserUpgrade):
        HttpRequestParser(fields).feed_data(head)
    return fields.found


def _check_beginning(received: bytes | bytearray) -> None:
    """Refuse what no further byte can make a valid head: do not wait for its end."""
    if _NEVER.search(received):
        raise _malformed("The request is not valid HTTP/1.1")


def _normalised(method: str, target: str, fields: dict[str, list[str]]) -> str:
    """The path of an absolute target, whose host has to be the Host header's."""
    if target == "*" and method == "OPTIONS":
        return target
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or method == "CONNECT":
        raise _malformed("The request's target is not a path")
    authority, path = absolute.groups()
    if authority.lower() != ",".join(fields.get("Host", ())).lower():
        raise _malformed("The request's target and its Host header differ")
    return path if path.startswith("/") else f"/{path}"


def _keeps_alive(fields: dict[str, list[str]], http_1_0: bool) -> bool:
    said = fields.get("Connection")
    if said is None:
        return not http_1_0
    options = {option.strip().lower() for option in ",".join(said).split(",")}
    return "close" not in options and (not http_1_0 or "keep-alive" in options)


def _length(fields: dict[str, list[str]], http_1_0: bool) -> int | None:
    lengths, codings = fields.get("Content-Length"), fields.get("Transfer-Encoding")
    if codings is not None:
        if lengths is not None or http_1_0:
            raise _malformed("The request has two lengths")
        if len(codings) != 1 or codings[0].lower() != "chunked":
            raise _malformed("The only transfer coding is chunked")
        return None
    if lengths is None:
        return 0
    [length] = lengths if len(lengths) == 1 else [""]
    if not length.isdecimal() or len(length) > _MOST_DIGITS:
        raise _malformed("There has to be one Content-Length, a number")
    return int(length)


def _expects_continue(fields: dict[str, list[str]], http_1_0: bool) -> bool:
    return not http_1_0 and fields["Expect"][0].lower() == "100-continue"


def _malformed(reason: str) -> InvalidRequest:
    return InvalidRequest(message=f"{reason}.")
