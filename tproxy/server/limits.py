"""How much a client may send, and how long it may take."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class Limits:
    """Bounds of one connection. A client that oversteps one loses the connection."""

    head_bytes: int = 32_768
    headers: int = 100
    body_bytes: int = 64 * 1_048_576  # a backstop: handlers have limits of their own
    pipelined_bytes: int = 65_536  # held while a request is answered, and one read
    unsent_bytes: int = 32_768  # above it, a write is not done until they have gone out

    head_seconds: float = (
        10.0  # from the first byte of a request to the end of its head
    )
    idle_seconds: float = 75.0  # between requests
    # While draining, for a request that was on its way when we could still be asked.
    last_call_seconds: float = 1.0
    body_grace_seconds: float = 30.0
    body_bytes_per_second: int = 1_024  # on average, once the grace is over
    stalled_seconds: float = 60.0  # for a client to read what holds back our writing
    handshake_seconds: float = 10.0  # TLS

    # To a client that goes on sending after its last answer, see `farewell`.
    linger_bytes: int = 1_073_741_824
    linger_seconds: float = 30.0
