"""Takes the body of a request out of the bytes that follow its head."""

from __future__ import annotations

from typing import Final, Protocol

import attrs
from httptools import HttpParserError, HttpRequestParser

from tproxy.core.errors import InvalidRequest, RequestTooLarge
from tproxy.server.head import END, Head
from tproxy.server.limits import Limits

_PRIMER: Final = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_FRAMING_PER_CHUNK = 12  # bytes: eight digits and two CRLF
_FRAMING_TO_SPARE = 4_096  # bytes: extensions and trailers, which nobody reads


class Body(Protocol):
    """One request's body. `complete` once all of it has been taken."""

    complete: bool

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Return what belongs to the body, and what comes after it.

        Raises:
            InvalidRequest: the body is not in valid chunks.
            RequestTooLarge: it is longer than any body may be.
        """
        ...


@attrs.define(eq=False)
class SizedBody:
    """A body of as many bytes as its head announced."""

    _missing: int
    complete: bool = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        missing = self._missing
        self._missing -= len(data)
        if self._missing > 0:
            return data, b""
        self.complete = True
        return (data[:missing], data[missing:]) if self._missing else (data, b"")


@attrs.define(eq=False)
class ChunkedBody:
    """A body in chunks, of unknown length.

    llhttp cannot be stopped at the end of a message, and what follows is not for this
    parser. But a chunked message always ends in an empty line, so it is fed no further
    than to the next one. It starts in the middle: behind a head like any other.
    """

    _limit: int
    complete: bool = False
    _parser: HttpRequestParser = attrs.field(init=False)
    _read: list[bytes] = attrs.field(factory=list, init=False)
    _length: int = attrs.field(default=0, init=False)
    _framing: int = attrs.field(default=0, init=False)  # bytes beside the body's own
    _framing_allowed: int = attrs.field(default=_FRAMING_TO_SPARE, init=False)

    def __attrs_post_init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._parser.feed_data(_PRIMER)

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        view, position = memoryview(data), 0
        while position < len(data) and not self.complete:
            end = position + 1
            if (
                position >= len(END) - 1
            ):  # before, an END may have begun in the last read
                found = data.find(END, end - len(END))
                end = len(data) if found < 0 else found + len(END)
            try:
                self._parser.feed_data(view[position:end])
            except HttpParserError as error:
                raise InvalidRequest(message=f"{error}.") from None
            position = end
        body = b"".join(self._read)
        self._read.clear()
        self._length += len(body)
        self._framing += position - len(body)
        if self._framing > self._framing_allowed:
            raise InvalidRequest(message="There is more framing than body.")
        if self._length > self._limit:
            raise _too_large(self._limit)
        return body, data[position:]

    def on_body(self, data: bytes) -> None:
        self._read.append(data)

    def on_chunk_header(self) -> None:
        self._framing_allowed += _FRAMING_PER_CHUNK

    def on_message_complete(self) -> None:
        self.complete = True


def begin(head: Head, limits: Limits, data: bytes) -> tuple[Body | None, bytes, bytes]:
    """The body that is still to come, what `data` has of it, and what comes after it.

    None: all of it has come, or there is none.

    Raises:
        InvalidRequest: see `Body.take`.
        RequestTooLarge: it is, or is going to be, longer than any body may be.
    """
    length, most = head.length, limits.body_bytes
    if length is not None and length > most:
        raise _too_large(most)
    if length is not None and length <= len(data):
        return None, data[:length], data[length:]
    body = ChunkedBody(most) if length is None else SizedBody(length)
    piece, rest = body.take(data)
    return None if body.complete else body, piece, rest


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(message=f"The body is over {limit} bytes.")
