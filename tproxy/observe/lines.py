"""How lines get to a stream: many at once, and whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Protocol

import attrs

_ATOMIC = 4_096  # bytes that a pipe takes as one, whoever else writes: PIPE_BUF


class Stream(Protocol):
    """A text stream, such as standard error."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


@attrs.define(eq=False)
class Batched:
    """Gathers lines and writes them at once, at the latest after `seconds`.

    A line a request would otherwise be a system call a request.
    """

    _stream: Stream
    _seconds: float = 0.05
    _lines: list[str] = attrs.field(factory=list, init=False)

    def write(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                loop.call_later(self._seconds, self.flush)

    def flush(self) -> None:
        lines = "".join(self._lines)
        self._lines.clear()
        with contextlib.suppress(OSError, ValueError):  # a full disk, a closed pipe
            self._stream.write(lines)
            self._stream.flush()


@attrs.frozen(eq=False)
class Whole:
    """A stream that other processes write to as well; lines of ASCII stay whole.

    So they do where nobody empties a pipe, and where a writer is killed in the middle,
    unless a line is longer than a pipe takes as one.
    """

    _stream: Stream

    def write(self, text: str) -> None:
        for piece in pieces(text):
            self._stream.write(piece)
            self._stream.flush()

    def flush(self) -> None:
        self._stream.flush()


def pieces(lines: str, size: int = _ATOMIC) -> Iterator[str]:
    """`lines` in as few pieces of at most `size` as whole lines allow."""
    start = 0
    while start < len(lines):
        end = (
            lines.rfind("\n", start, start + size) + 1
            or lines.find("\n", start) + 1
            or len(lines)
        )
        yield lines[start:end]
        start = end
