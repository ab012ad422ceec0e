"""A stream of lines, each a JSON object (`application/x-ndjson`), read like events."""

from __future__ import annotations

import attrs

from tproxy.core import sse
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Usage
from tproxy.providers.translated import Translated


@attrs.define
class Lines:
    """`core.upstream.StreamReader` that hands each line on as an event."""

    _events: Translated
    _held: bytearray = attrs.field(factory=bytearray, init=False)

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
        if self.failure is not None:
            return b""
        end = data.rfind(b"\n") + 1
        if not end and len(self._held) <= sse.MAX_EVENT:
            self._held += data
            return b""
        self._held += data[:end]
        lines = bytes(self._held)
        self._held[:] = data[end:]
        return self._events.feed(_events(lines))

    def close(self) -> bytes:
        ready = self._events.feed(_events(bytes(self._held)))
        self._held.clear()
        return ready + self._events.close()


def _events(lines: bytes) -> bytes:
    found = (line.strip() for line in lines.split(b"\n"))
    return b"".join(sse.encode(line) for line in found if line)
