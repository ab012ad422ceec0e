"""Decoding of replies that come compressed although none was asked for."""

from __future__ import annotations

import zlib

from tproxy.core import failures
from tproxy.core.upstream import Broken

_STEP = 65_536  # bytes decoded at a time
_FREE = 1 << 20  # bytes decoded before the ratio counts
_RATIO = 200  # text compresses 20:1 at best; deflate can say 1,000:1
_GZIP, _ZLIB, _RAW = 31, 15, -15
_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})


class Decoder:
    """gzip or deflate, a bounded step at a time, so that a bomb never unfolds.

    Take from it until it holds nothing, then feed it again. A coding it cannot read is
    told when there is something to take, so that a status can be known before.
    """

    __slots__ = ("_coding", "_full", "_held", "_inner", "_raw", "_read", "unfolded")

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._raw = coding == "deflate"
        self._inner = None if self._raw else zlib.decompressobj(_GZIP)
        self._held = b""
        self._full = False  # the last step was, so there may be more
        self._read = 0
        self.unfolded = 0

    @property
    def held(self) -> int:
        """Bytes fed and not yet decoded; one stands for what zlib still holds."""
        return len(self._held) or self._full

    def feed(self, data: bytes) -> None:
        self._held += data
        self._read += len(data)

    def take(self) -> bytes:
        """Decode on; may return nothing although more is ready.

        Raises:
            Broken: it is not what it says, or unfolds too far.
        """
        if self._coding not in _CODINGS:
            detail = f"content-encoding: {self._coding[:40]}"
            raise Broken(failures.MALFORMED, detail)
        inner = self._inner
        try:
            if inner is None:  # "deflate" is zlib by the standard, and often bare
                wrapped = self._held[0] & 15 == 8 and self._held[0] >> 4 <= 7
                inner = zlib.decompressobj(_ZLIB if wrapped else _RAW)
            elif inner.eof:
                if self._raw:
                    raise Broken(failures.MALFORMED, "bytes after a deflated body")
                inner = zlib.decompressobj(_GZIP)  # RFC 1952: members may follow
            self._inner = inner
            data = inner.decompress(self._held, _STEP)
        except zlib.error as error:
            raise Broken(failures.MALFORMED, f"content-encoding: {error}") from error
        self._full = len(data) == _STEP and not inner.eof
        self._held = inner.unused_data if inner.eof else inner.unconsumed_tail
        self.unfolded += len(data)
        if self.unfolded > max(_FREE, _RATIO * self._read):
            raise Broken(failures.MALFORMED, "the body unfolds beyond all bounds")
        return data

    def close(self) -> None:
        """Say that all was fed and taken.

        Raises:
            Broken: the end is missing.
        """
        if self._read and (self._inner is None or not self._inner.eof):
            raise Broken(failures.EARLY_END, "the compressed body has no end")
