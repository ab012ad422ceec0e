"""Where clients come in: what is bound before anything is served on it."""

from __future__ import annotations

import os
import socket
import ssl
import sys

import attrs
from tornado.netutil import bind_sockets

from tproxy.core.events import Notice, Observer
from tproxy.server.unix import bind_unix, unbind
from tproxy.settings import ServerSettings

# Elsewhere a port that is shared is not shared out: the last to come gets it all.
_SPREADS = sys.platform == "linux"


@attrs.frozen(eq=False)
class Listening:
    """What one process accepts connections on, and the base URL of it.

    `path` is that of a Unix socket, whose file belongs to the process that made it.
    """

    sockets: tuple[socket.socket, ...]
    url: str
    tls: ssl.SSLContext | None = None
    path: str | None = None
    _made_by: int = attrs.field(factory=os.getpid)

    @property
    def port(self) -> int:
        """0 for a Unix socket."""
        return 0 if self.path is not None else _port(self.sockets)

    def renew(self, server: ServerSettings, observer: Observer) -> None:
        """Show the certificate that is in its files by now to whoever connects next.

        If it cannot be shown, the one before stays, and `observer` is told.
        """
        if self.tls is None or server.tls_cert is None:
            return
        try:
            _tls(server)  # first: half a pair would take the place of a whole one
            self.tls.load_cert_chain(server.tls_cert, server.tls_key)
        except OSError as error:
            words = "the TLS certificate cannot be read again; the one before stays"
            observer.emit(Notice("error", words, {"error": str(error)}))

    def close(self) -> None:
        """Accept nothing in this process; whoever else has the sockets may."""
        for bound in self.sockets:
            bound.close()

    def remove(self) -> None:
        """Take away the file of a Unix socket, if it is ours and nobody listens."""
        if self.path is not None and os.getpid() == self._made_by:
            unbind(self.path)


def listen(server: ServerSettings) -> Listening:
    """Bind.

    Raises:
        OSError: the address is taken or not ours, or a TLS file is unreadable.
    """
    tls = _tls(server)
    if server.path is not None:
        bound = (bind_unix(server.path),)
        return Listening(bound, f"unix:{server.path}", tls, server.path)
    sockets = tuple(bind_sockets(server.port, server.host or None))
    return Listening(sockets, _url(server, _port(sockets)), tls)


def listen_together(server: ServerSettings) -> tuple[Listening, ...]:
    """Bind for each of `server.workers` processes: one address, and one TLS for all.

    The system deals connections out evenly where it can, to sockets of one port. Others
    and Unix sockets are shared, and whoever is first accepts.

    Raises:
        OSError: as `listen`.
    """
    first = listen(server)
    if first.path is not None or not _SPREADS:
        return (first,) * server.workers
    # A socket that shares its port would also share it with a stranger's: only this
    # first one, which does not, finds out that an address is taken.
    port, host = first.port, server.host or None
    first.close()
    return tuple(
        attrs.evolve(first, sockets=tuple(bind_sockets(port, host, reuse_port=True)))
        for _ in range(server.workers)
    )


def _port(sockets: tuple[socket.socket, ...]) -> int:
    return int(sockets[0].getsockname()[1])


def _url(server: ServerSettings, port: int) -> str:
    """For clients on this machine."""
    host = server.host or "127.0.0.1"
    scheme = "https" if server.tls_cert else "http"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}/v1"


def _tls(server: ServerSettings) -> ssl.SSLContext | None:
    if server.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # as in TLS 1.3: it would hold up writes
    context.load_cert_chain(server.tls_cert, server.tls_key)
    return context
