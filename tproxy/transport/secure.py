"""TLS between a connection and a provider, which may be in a proxy's tunnel."""

from __future__ import annotations

import asyncio
import ssl

from tproxy.secure import Secure


class SecureTransport(Secure):
    """A transport to `inside`, the connection, which reads from the same `view`."""

    def __init__(
        self,
        inside: asyncio.BufferedProtocol,
        context: ssl.SSLContext,
        host: str,
        view: memoryview,
    ) -> None:
        super().__init__(context, view, host=host)
        self._inside = inside
        self._ready = self._loop.create_future()

    async def handshake(self) -> None:
        """Wait until the socket it was given is secured, and `inside` connected.

        Raises:
            OSError: it failed; an ssl.SSLError where TLS says why.
        """
        try:
            await self._ready
        except BaseException:
            self._raw.abort()
            raise

    def eof_received(self) -> None:
        if not self._notified:
            self._error = ConnectionError("closed without notice")

    def connection_lost(self, exc: Exception | None) -> None:
        error = exc or self._error
        if self._secured:
            self._inside.connection_lost(error)
        else:
            self._on_refused(error or ConnectionError("closed"))
        super().connection_lost(exc)

    def _on_secured(self) -> None:
        if not self._ready.done():
            self._ready.set_result(None)  # first: else in vain, if inside raises
            self._inside.connection_made(self)
            self._pump()

    def _on_refused(self, error: Exception) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
            self._ready.exception()  # whoever was to wait for it may have left

    def _on_read(self, count: int) -> None:
        self._inside.buffer_updated(count)

    def _on_notified(self) -> None:
        self._raw.close()
