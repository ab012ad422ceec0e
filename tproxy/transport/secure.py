"""TLS between a connection and its socket, over memory rather than asyncio's own.

asyncio and uvloop decrypt through buffers of 256 KiB and more per connection, which a
provider can fill however slowly we read. Here it is one read of the socket at most, the
same on either loop and inside a proxy's tunnel.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, cast

_Bytes = bytes | bytearray | memoryview


class SecureTransport(asyncio.BufferedProtocol, asyncio.Transport):
    """A protocol to the socket, a transport to `inside`, the connection.

    `view` is where reads land, shared with `inside`: nothing in it is awaited.
    """

    def __init__(
        self,
        inside: asyncio.BufferedProtocol,
        context: ssl.SSLContext,
        host: str,
        view: memoryview,
    ) -> None:
        asyncio.Transport.__init__(self)
        self._inside = inside
        self._view = view
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host
        )
        self._loop = asyncio.get_running_loop()
        self._ready = self._loop.create_future()
        self._secured = False
        self._paused = False
        self._notified = False  # the other side said that nothing more comes
        self._error: Exception | None = None

    async def handshake(self) -> None:
        """Secure the socket it was given; `inside` is connected then.

        Raises:
            OSError: it failed; an ssl.SSLError where TLS says why.
        """
        try:
            await self._ready
        except BaseException:
            self._raw.abort()
            raise
        self._inside.connection_made(self)
        if self._incoming.pending or self._tls.pending():
            self._loop.call_soon(self._pump)

    # What the socket says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self._shake()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        self._incoming.write(self._view[:nbytes])
        if self._secured:
            self._pump()
        else:
            self._shake()

    def eof_received(self) -> None:
        if not self._notified:
            self._error = ConnectionError("closed without notice")

    def connection_lost(self, exc: Exception | None) -> None:
        error = exc or self._error
        if self._secured:
            self._inside.connection_lost(error)
        elif not self._ready.done():
            self._ready.set_exception(error or ConnectionError("closed"))

    # What the connection asks.

    def write(self, data: _Bytes) -> None:
        self._tls.write(cast(bytes, data))
        self._raw.write(self._outgoing.read())

    def writelines(self, list_of_data: Iterable[_Bytes]) -> None:
        for data in list_of_data:
            self._tls.write(cast(bytes, data))
        self._raw.write(self._outgoing.read())

    def pause_reading(self) -> None:
        self._paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._pump)

    def abort(self) -> None:
        self._raw.abort()

    def close(self) -> None:
        self._raw.close()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._raw.get_extra_info(name, default)

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except OSError as error:  # ssl.SSLError is one
            if not self._ready.done():
                self._ready.set_exception(error)
        else:
            if not self._ready.done():
                self._secured = True
                self._ready.set_result(None)
        self._flush()

    def _pump(self) -> None:
        """Hand on what is here, in reads as full as can be."""
        tls, incoming, view, raw = self._tls, self._incoming, self._view, self._raw
        while not self._paused and not raw.is_closing():
            filled = 0
            try:
                while filled < len(view) and (incoming.pending or tls.pending()):
                    count = cast(int, tls.read(len(view) - filled, view[filled:]))
                    if not count:
                        self._notified = True
                        break
                    filled += count
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLZeroReturnError:
                self._notified = True
            except OSError as error:
                self._error = error
            self._flush()
            if filled:
                self._inside.buffer_updated(filled)
            if self._error is not None:
                raw.abort()
            elif self._notified:
                raw.close()
            elif not filled:
                raw.resume_reading()
                return

    def _flush(self) -> None:
        """Send what TLS itself has to say."""
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())
