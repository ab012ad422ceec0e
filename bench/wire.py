"""What both ends of the bench agree on: plans, answers, and HTTP/1.1 framing."""

from __future__ import annotations

import asyncio
import functools
import importlib
import re
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import attrs

T = TypeVar("T")

HOST = "127.0.0.1"
PATH = "/v1/chat/completions"
TOKEN = "bench-client-token"
KEY = "bench-provider-key"

_CHUNK = (
    b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk",'
    b'"created":1700000000,"model":"bench","choices":[{"index":0,"delta":'
    b'{"content":"%06d %016d "},"finish_reason":null}]}\n\n'
)
_AT = _CHUNK.index(b"%")  # a chunk's number, a blank, and when it left
END = _CHUNK.replace(b'"content":"%06d %016d "', b"").replace(b"null", b'"stop"')
END += b"data: [DONE]\n\n"
ANSWER = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,'
    b'"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":"'
    + b"All happy families are alike. "
    * 10
    + b'"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":250,'
    b'"completion_tokens":60,"total_tokens":310},"system_fingerprint":"fp_bench"}'
)


def now() -> int:
    """Microseconds on the clock that all processes of one machine share."""
    return time.monotonic_ns() // 1_000


def chunk(number: int, sent: int) -> bytes:
    """The event with this number, stamped with the time it leaves at."""
    return _CHUNK % (number, sent)


def read_chunk(event: bytes) -> tuple[int, int]:
    """Number and stamp of an event; the caller compares it with `chunk` of them.

    Raises:
        ValueError: it has none.
    """
    return int(event[_AT : _AT + 6]), int(event[_AT + 7 : _AT + 23])


@attrs.frozen
class Plan:
    """What the mock provider is to do. Times in seconds.

    It travels in the request's `user`, which a proxy hands on untouched. A `fault` is
    a status to answer with; "cut" hangs up half-way and "error" says so in the stream;
    "reset" hangs up, "garbage" is no HTTP, and "silent" says nothing at all.
    """

    chunks: int = 0  # 0: not a stream
    burst: int = 1  # chunks in one write
    gap: float = 0.0  # between writes
    delay: float = 0.0  # before the first byte
    fault: str = ""

    def body(self, size: int = 1_024) -> bytes:
        """A chat request of about `size` bytes that carries this plan."""
        words = " ".join(map(str, attrs.astuple(self)))
        stream = b"true" if self.chunks else b"false"
        start = (
            b'{"model":"bench","user":"plan %s.","stream":%s,"temperature":0.7,'
            b'"messages":[{"role":"user","content":"' % (words.encode(), stream)
        )
        return start + b"word " * ((size - len(start)) // 5) + b'"}]}'

    @staticmethod
    def of(body: bytes) -> Plan:
        start = body.index(b'"plan ') + 6
        return _plan(body[start : body.index(b'."', start)])


@functools.lru_cache
def _plan(said: bytes) -> Plan:
    chunks, burst, gap, delay, fault = said.decode().split(" ")
    return Plan(int(chunks), int(burst), float(gap), float(delay), fault)


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)").search
_CHUNKED = b"\r\ntransfer-encoding: chunked"
_ENDLESS = 1 << 62


@attrs.define(eq=False)
class Reader:
    """Finds the head, the body and the end of one message after another.

    As little of HTTP as both ends of the bench speak: no pipelining, no trailers.
    `response` says that a body without a length goes on until the connection closes.
    """

    response: bool
    head: bytes = b""
    done: bool = False
    _held: bytes = b""
    _left: int = 0
    _chunked: bool = False

    def feed(self, data: bytes) -> bytes:
        """Take a read; return what it holds of the body."""
        if self.done:
            self.head, self._held, self.done = b"", b"", False
        if not self.head:
            head, blank, rest = (self._held + data).partition(b"\r\n\r\n")
            if not blank:
                self._held = head
                return b""
            self.head, self._held, data = head, b"", rest
            self._begin(head.lower())
        if self._chunked:
            return self._joined(data)
        self._left -= len(data)
        self.done = self._left <= 0
        return data

    @property
    def status(self) -> int:
        return int(self.head[9:12] or 0)

    def _begin(self, head: bytes) -> None:
        length = _LENGTH(head)
        self._chunked = _CHUNKED in head
        self._left = _ENDLESS if self.response else 0
        if length is not None:
            self._left = int(length[1])

    def _joined(self, data: bytes) -> bytes:
        data, at, parts = self._held + data, 0, []
        while not self.done and (end := data.find(b"\r\n", at)) >= 0:
            start, size = end + 2, int(data[at:end], 16)
            if len(data) < start + size + 2:
                break
            parts.append(data[start : start + size])
            at = start + size + 2
            self.done = size == 0
        self._held = data[at:]
        return b"".join(parts)


class Connection(asyncio.Protocol):
    """Remembers its transport."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one by what it does, though not by its class.
        self.transport = cast(asyncio.Transport, transport)


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed; None is asyncio's own."""
    try:
        module: Any = importlib.import_module("uvloop")
    except ImportError:
        return None
    made: Callable[[], asyncio.AbstractEventLoop] = module.new_event_loop
    return made


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on the fastest loop there is."""
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(main)
