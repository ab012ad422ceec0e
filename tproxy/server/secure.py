"""TLS from a client, and in it a connection like any other."""

from __future__ import annotations

import asyncio
import ssl

from tproxy.secure import Secure
from tproxy.server.connection import Connection
from tproxy.server.shared import Shared


class SecureConnection(Secure):
    """Shakes hands within the limit. From then on `Connection` has the word."""

    def __init__(self, shared: Shared, context: ssl.SSLContext) -> None:
        super().__init__(context, shared.view)
        self._shared = shared
        self._inside = Connection(shared)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        shared = self._shared
        shared.came(self)  # a drain waits for it: its request is on its way
        seconds = shared.limits.handshake_seconds
        self._timer = self._loop.call_later(seconds, self.abort)
        super().connection_made(transport)

    def eof_received(self) -> None:
        if self._secured:
            self._inside.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._secured:
            self._inside.connection_lost(exc or self._error)
        else:
            self._timer.cancel()
            self._shared.gone(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        if self._secured:
            self._inside.pause_writing()

    def resume_writing(self) -> None:
        if self._secured:
            self._inside.resume_writing()

    def last_call(self) -> None:
        """As long as it shakes hands, there is nothing to hurry."""

    def _on_secured(self) -> None:
        self._timer.cancel()
        self._inside.connection_made(self)
        self._shared.gone(self)
        self._pump()

    def _on_refused(self, error: OSError) -> None:
        self.close()

    def _on_read(self, count: int) -> None:
        self._inside.data_received(bytes(self._view[:count]))

    def _on_notified(self) -> None:
        self._inside.eof_received()
        self.close()
