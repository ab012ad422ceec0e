"""A stream that comes as one JSON array, as it does where `alt=sse` got lost.

The array arrives bit by bit, element after element; a lone object is read alike.
"""

from __future__ import annotations

import re

import attrs

from tproxy.core import failures, sse
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Usage
from tproxy.providers.translated import Translated

_STRING = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'  # up to its end, or that of the read
# To the next brace outside of strings, or to the end; and of a string, to its end.
_STEPS = re.compile(
    rb'[^"{}]*+(?:"%b"[^"{}]*+)*+(?:([{}])|(")%b(\\?)\Z|\Z)' % (_STRING, _STRING),
    re.DOTALL,
).finditer
_REST = re.compile(rb'%b(?:"|(\\?)\Z)' % _STRING, re.DOTALL).match
_BETWEEN = re.compile(rb"[\s,\[\]\xef\xbb\xbf]*").fullmatch
_LINE_ENDS = b"\r\n"  # within an element they are mere blanks


@attrs.define
class Array:
    """`core.upstream.StreamReader` that hands each element on as an event."""

    _events: Translated
    _model: Model
    _held: bytearray = attrs.field(factory=bytearray, init=False)
    _depth: int = attrs.field(default=0, init=False)  # of braces
    _quoted: bool = attrs.field(default=False, init=False)
    _escaped: bool = attrs.field(default=False, init=False)  # the byte to come

    @property
    def begun(self) -> bool:
        return self._events.begun

    @property
    def usage(self) -> Usage | None:
        return self._events.usage

    @property
    def failure(self) -> UpstreamFailed | None:
        return self._events.failure

    def feed(self, data: bytes) -> bytes:
        if self.failure is not None or not data:
            return b""
        ready, start = [], 0
        for found in _STEPS(data, self._out_of_string(data)):
            at = found.end()
            if found[2]:
                self._quoted, self._escaped = True, bool(found[3])
            elif found[1] == b"{":
                if self._depth == 0:
                    self._held += data[start : at - 1]
                    start = at - 1
                    self._pass_over()
                self._depth += 1
            elif found[1] and self._depth:
                self._depth -= 1
                if self._depth == 0:
                    self._held += data[start:at]
                    start = at
                    ready.append(self._element())
            if self._events.failure is not None:
                return b"".join(ready)
        self._held += data[start:]
        if len(self._held) > sse.MAX_EVENT:
            self._fail(failures.MALFORMED, "an endless element")
        return b"".join(ready)

    def close(self) -> bytes:
        if self.failure is None and self._depth:
            self._fail(failures.EARLY_END, "half an element")
        if self.failure is None:
            self._pass_over()
        return self._events.close()

    def _out_of_string(self, data: bytes) -> int:
        """Where in `data` the string ends that the last read ended in."""
        if not self._quoted:
            return 0
        found = _REST(data, int(self._escaped))
        if found is None:
            return len(data)
        self._quoted, self._escaped = found[1] is not None, bool(found[1])
        return found.end()

    def _element(self) -> bytes:
        element = bytes(self._held).translate(None, _LINE_ENDS)
        self._held.clear()
        return self._events.feed(sse.encode(element))

    def _pass_over(self) -> None:
        if _BETWEEN(self._held) is None:
            self._fail(failures.MALFORMED, "no array of objects")
        self._held.clear()

    def _fail(self, row: failures.Failure, detail: str) -> None:
        self._events.failure = UpstreamFailed.of(self._model.name, row, detail)
