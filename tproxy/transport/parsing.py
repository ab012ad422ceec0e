"""Reading replies with llhttp, and refusing what it would let pass.

What this module rests on in httptools 0.9 (llhttp 9):
  * llhttp refuses a repeated or malformed Content-Length, Content-Length beside
    Transfer-Encoding, folded lines, and CR, LF or NUL where they do not belong.
  * It bounds neither heads nor chunk extensions nor trailers; the limits below do.
  * It cannot be told that the answer to HEAD has no body, so reading stops there and
    the connection is of no more use.
  * It cannot be told of an end of file: bodies without length end with the connection,
    which is for the connection to see.
  * After a whole message it goes on with the next, which nobody asked for.
"""

from __future__ import annotations

import re

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tproxy.core.upstream import UpstreamHead

LONGEST_HEAD = 65_536  # bytes, informational heads included
MOST_HEADERS = 256
MOST_INFORMATIONAL = 16
LONGEST_FRAMING = 16_384  # bytes of chunk framing and trailers beyond the usual

_TIMEOUT = re.compile(r"\btimeout=(\d{1,6})\b")
_NAMES: dict[bytes, str] = {}  # header names seen, decoded; the most frequent few
_MOST_NAMES = 1000


class _Stop(Exception):
    """The parser is to stop: the reply is unacceptable, or not to be read on."""


class ReplyParser:
    """One connection's replies, one at a time; `reset` before each but the first.

    `parts` is for the caller to empty after each `feed`. Once `complete`, the
    connection may carry another request if `keep` still holds.
    """

    __slots__ = (
        "_chunked",
        "_crowded",
        "_excess",
        "_feed",
        "_head_size",
        "_headers",
        "_informational",
        "_is_head",
        "_parser",
        "_room",
        "complete",
        "head",
        "keep",
        "on_body",
        "parts",
    )

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.on_body = self.parts.append  # as llhttp calls it
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self.reset(is_head=False)

    def reset(self, *, is_head: bool) -> None:
        """Get ready for the reply to a request; `is_head`: its method was HEAD."""
        self._headers: dict[str, str] = {}
        self._head_size = self._room = self._informational = self._excess = 0
        self._crowded = False
        self._chunked = False
        self._is_head = is_head
        self.head: UpstreamHead | None = None
        self.complete = self.keep = False

    def feed(self, data: memoryview) -> str | None:
        """Read on; say what is wrong, if anything is. What came before it counts."""
        if self.head is None:
            # Only a head that might be too long is measured line by line.
            self._room = LONGEST_HEAD - self._head_size
            self._crowded = len(data) > self._room
        try:
            self._feed(data)
        except HttpParserError as error:
            self.keep = False
            return None if self.complete else str(error.__context__ or error)
        except HttpParserUpgrade:
            return "status 101 was not asked for"
        if self.head is None:
            self._head_size += len(data)
            if self._head_size > LONGEST_HEAD:
                return f"a head of over {LONGEST_HEAD} bytes"
        elif self._chunked and not self.complete:
            # Chunks of a byte take six; so much is usual, and more is saved up.
            parts = self.parts
            body = len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
            excess = self._excess + len(data) - 3 * body - 16 * len(parts)
            self._excess = max(0, excess)
            if excess > LONGEST_FRAMING:
                return f"over {LONGEST_FRAMING} bytes of chunk framing"
        return None

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body has no other end."""
        return not self._chunked and "content-length" not in self._headers

    @property
    def kept_for(self) -> float | None:
        """For how many seconds the provider says it keeps an idle connection."""
        said = self._headers.get("keep-alive")
        if said is None:
            return None
        timeout = _TIMEOUT.search(said)
        return None if timeout is None else float(timeout[1])

    # What llhttp calls.

    def on_message_begin(self) -> None:
        if self.complete:
            raise _Stop("bytes after the reply")

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is not None:  # a trailer
            return
        headers = self._headers
        if self._crowded:
            self._room -= len(name) + len(value) + 4
            if self._room < 0:
                raise _Stop(f"a head of over {LONGEST_HEAD} bytes")
        if len(headers) >= MOST_HEADERS:
            raise _Stop(f"over {MOST_HEADERS} headers")
        key = _NAMES.get(name)
        if key is None:
            key = name.decode("latin-1").lower()
            if len(_NAMES) < _MOST_NAMES:
                _NAMES[name] = key
        if key in headers:
            headers[key] = f"{headers[key]}, {value.decode('latin-1')}"
        else:
            headers[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        status = parser.get_status_code()
        if status < 200:
            self._informational += 1
            if status in (101, 99) or self._informational > MOST_INFORMATIONAL:
                raise _Stop(f"status {status} was not asked for")
            self._headers = {}
            return
        version = parser.get_http_version()
        coding = headers.get("transfer-encoding")
        if coding is not None:
            if coding.lower() != "chunked" or version != "1.1":
                raise _Stop("unknown transfer-encoding")
            self._chunked = True
        elif version not in ("1.1", "1.0"):
            raise _Stop(f"HTTP/{version} was not asked for")
        self.head = UpstreamHead(status, headers)
        if self._is_head:
            self.complete = True
            raise _Stop("the answer to HEAD ends here")

    def on_message_complete(self) -> None:
        if self.head is not None:
            self.complete = True
            self.keep = self._parser.should_keep_alive()
