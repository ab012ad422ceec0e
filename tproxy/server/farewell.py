"""The end of a connection whose client may still be sending."""

from __future__ import annotations

import attrs

from tproxy.server.deadline import Deadline
from tproxy.server.limits import Limits
from tproxy.server.outflow import Outflow


@attrs.define(eq=False)
class Farewell:
    """Says that there will be no more, and waits for the client to hang up.

    Were we to close first, what it goes on sending would be answered with a reset, and
    that can take our last answer with it before it was read (RFC 9112, 9.6).
    """

    _outflow: Outflow
    _deadline: Deadline
    _limits: Limits
    _thrown_away: int = attrs.field(default=0, init=False)  # bytes

    def begin(self) -> None:
        self._outflow.end()
        self._deadline.set(self._limits.linger_seconds)

    def throw_away(self, data: bytes) -> None:
        self._thrown_away += len(data)
        if self._thrown_away > self._limits.linger_bytes:
            self._outflow.transport.abort()

    def expired(self) -> None:
        if self._outflow.transport.get_write_buffer_size():  # it still reads our answer
            self._deadline.set(self._limits.linger_seconds)
        else:
            self._outflow.transport.abort()
