"""TLS between a protocol and its socket, over memory rather than asyncio's own.

asyncio and uvloop encrypt and decrypt through buffers of 256 KiB and more for each
connection, which either side can fill however slowly the other reads. Here it is one
read of the socket and one record, the same on either loop and inside a proxy's tunnel.
What is written waits in the socket's transport, whose limits hold for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any, cast

_Bytes = bytes | bytearray | memoryview

_RECORD = 16_384  # bytes in one record, at most (RFC 8446, 5.1)


class Secure(asyncio.BufferedProtocol, asyncio.Transport):
    """A protocol to the socket, and a transport to what is inside.

    `view` is where reads land, encrypted and then in clear, shared by connections:
    nothing in it is awaited. The class for either side says what becomes of it.
    """

    _raw: asyncio.Transport

    def __init__(
        self,
        context: ssl.SSLContext,
        view: memoryview,
        *,
        host: str | None = None,
    ) -> None:
        """`host` is who we connect to; None where we are connected to."""
        asyncio.Transport.__init__(self)
        self._context = context
        self._view = view
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=host is None,
            server_hostname=host,
        )
        self._loop = asyncio.get_running_loop()
        self._secured = False
        self._paused = False
        self._ending = False  # the other side is to be told that nothing more comes
        self._notified = False  # the other side said that nothing more comes
        self._error: Exception | None = None

    # What becomes of it.

    def _on_secured(self) -> None:
        """The handshake is done."""
        raise NotImplementedError

    def _on_refused(self, error: OSError) -> None:
        """It failed; an ssl.SSLError where TLS says why."""
        raise NotImplementedError

    def _on_read(self, count: int) -> None:
        """So many bytes in clear are in the view."""
        raise NotImplementedError

    def _on_notified(self) -> None:
        """Nothing more comes."""
        raise NotImplementedError

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

    def connection_lost(self, exc: Exception | None) -> None:
        # Inside, some refer to themselves, and so to us, until they are collected. What
        # TLS holds is too much to wait for that.
        del self._tls, self._incoming, self._outgoing

    # What is asked from inside.

    def write(self, data: _Bytes) -> None:
        if self._raw.is_closing():
            return  # no other transport complains, and TLS may be past writing
        if len(data) <= _RECORD:
            self._tls.write(cast(bytes, data))
            self._raw.write(self._outgoing.read())
        else:
            self.writelines((data,))

    def writelines(self, list_of_data: Iterable[_Bytes]) -> None:
        """One record at a time, since memory never shrinks from what it once held."""
        if self._raw.is_closing():
            return
        tls, outgoing, sealed = self._tls, self._outgoing, []
        for data in list_of_data:
            for start in range(0, len(data), _RECORD):
                tls.write(cast(bytes, data[start : start + _RECORD]))
                sealed.append(outgoing.read())
        self._raw.write(b"".join(sealed))

    def pause_reading(self) -> None:
        self._paused = True
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._go_on)

    def abort(self) -> None:
        self._raw.abort()

    def close(self) -> None:
        """Say that nothing more comes, and close once all has gone out."""
        if self._secured:
            self._notify()
        self._raw.close()

    def is_closing(self) -> bool:
        return self._raw.is_closing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Say that nothing more comes, once all that came is read; reading goes on."""
        self._ending = True
        self._loop.call_soon(self._go_on)

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "sslcontext":
            return self._context
        return self._raw.get_extra_info(name, default)

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except OSError as error:  # ssl.SSLError is one
            self._flush()
            self._on_refused(error)
        else:
            self._secured = True
            self._flush()
            self._on_secured()

    def _go_on(self) -> None:
        """Read on, with an end to it if inside raises, as the loop's own reads have."""
        try:
            if not self._raw.is_closing():
                self._pump()
        except BaseException:
            self._raw.abort()
            raise

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
                self._on_read(filled)
            if self._error is not None:
                raw.abort()
            elif self._notified:
                self._on_notified()
                return
            elif not filled:
                if self._ending:
                    self._ending = False
                    self._notify()
                raw.resume_reading()
                return

    def _notify(self) -> None:
        """What has come and is not read yet is lost by this: OpenSSL looks for more."""
        if not self._raw.is_closing():
            # It would wait for the other side to say so too, which is not needed.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()

    def _flush(self) -> None:
        """Send what TLS itself has to say."""
        if self._outgoing.pending and not self._raw.is_closing():
            self._raw.write(self._outgoing.read())
