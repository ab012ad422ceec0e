"""Opening connections: names, addresses, proxies and TLS."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import ssl
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from tproxy.core import failures
from tproxy.core.upstream import Broken
from tproxy.transport.route import Origin, Proxy
from tproxy.transport.secure import SecureTransport
from tproxy.transport.tls import Contexts
from tproxy.transport.tunnel import Tunnel

_UNDER_WAY = (errno.EINPROGRESS, errno.EALREADY, errno.EWOULDBLOCK, errno.EINTR)
_STAGGER = 0.25  # seconds before the next address is tried beside: RFC 8305

_Address = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str | int | bytes, ...]
]


@attrs.define(eq=False)
class Dial:
    """One attempt to connect; `phase` says how far it has come."""

    _origin: Origin
    _contexts: Contexts
    phase: str = "resolving the name"
    _begun: tuple[socket.socket, _Address] | None = None

    def begin(self) -> None:
        """Begin at once where no name is to be resolved, and nothing else to be judged.

        `connect` finds out what came of it. If the other end is near, the connection
        stands by the time that has its turn.
        """
        origin = self._origin
        if origin.scheme == "https" or origin.permits is not None:
            return
        near = origin.proxy or origin
        address = _literal(near.host, near.port)
        if address is not None:
            with contextlib.suppress(OSError):  # `connect` meets it again, and tells
                sock = _socket(address)
                self._begun, self.phase = (sock, address), "connecting"
                sock.connect(address[-1])

    def close(self) -> None:
        """Let go of what was begun, if `connect` never ran."""
        if self._begun is not None:
            self._begun[0].close()

    async def connect(
        self, protocol: asyncio.BufferedProtocol, view: memoryview
    ) -> None:
        """Connect `protocol`, which reads from `view`: `connection_made` is called.

        Raises:
            Broken: it could not be done.
        """
        origin, proxy = self._origin, self._origin.proxy
        secure = None
        if origin.scheme == "https":
            context = self._contexts.of(origin.tls)
            secure = SecureTransport(protocol, context, origin.host, view)
        try:
            sock = await self._reach()
        except OSError as error:
            to = "" if proxy is None else "proxy: "
            raise Broken(failures.UNREACHABLE, f"{to}{error}") from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure is None:
            await _carry(sock, protocol)
            return
        if proxy is None:
            self.phase = "TLS handshake"
            await _carry(sock, secure)
        else:
            self.phase = "waiting for the proxy"
            await _tunnel(sock, origin, proxy, secure)
            self.phase = "TLS handshake through the proxy"
        try:
            await secure.handshake()
        except ssl.SSLError as error:
            raise Broken(failures.TLS, str(error)) from error
        except OSError as error:
            raise Broken(
                failures.TLS, f"broken off in the handshake: {error}"
            ) from error

    async def _reach(self) -> socket.socket:
        """A socket connected to the origin, or to its proxy."""
        begun, self._begun = self._begun, None
        if begun is not None:
            return await _connected(*begun)
        near, permits = self._origin.proxy or self._origin, self._origin.permits
        addresses = await _resolve(near.host, near.port)
        if permits is not None:
            _check(addresses, permits)
        self.phase = "connecting"
        return await _race(addresses)


async def _carry(
    sock: socket.socket, protocol: asyncio.BaseProtocol
) -> asyncio.Transport:
    """A transport to `protocol` over `sock`, which is the loop's from here on."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(lambda: protocol, sock=sock)
    if transport.is_closing():
        # If what `connection_made` writes fails, uvloop closes the descriptor before it
        # takes `sock` over, which would close it once more: another's, by then.
        transport.abort()
        await asyncio.sleep(0)  # and it is closed, on either loop
        sock.detach()
    return transport


async def _tunnel(
    sock: socket.socket, origin: Origin, proxy: Proxy, then: SecureTransport
) -> None:
    """Ask `proxy` for a connection to `origin`, and hand it over."""
    tunnel = Tunnel(origin.authority, proxy.authorization)
    raw = await _carry(sock, tunnel)
    try:
        await tunnel.opened
        raw.pause_reading()
        raw.set_protocol(then)
        then.connection_made(raw)
        raw.resume_reading()
    except BaseException:
        raw.abort()
        raise


def _literal(host: str, port: int) -> _Address | None:
    """The one address that `host` stands for; None where it is a name."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):  # a NUL, or no UTF-8
            socket.inet_pton(family, host)
            return family, socket.SOCK_STREAM, 0, "", (host, port)
    return None


async def _resolve(host: str, port: int) -> list[_Address]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Broken(failures.UNRESOLVED, str(error)) from error
    if not found:
        raise Broken(failures.UNRESOLVED, "the name has no addresses")
    return _interleaved(found)


def _check(addresses: Sequence[_Address], permits: Callable[[str], bool]) -> None:
    """Raises Broken unless all `addresses` may be connected to."""
    if not all(permits(str(where[0])) for *_, where in addresses):
        raise Broken(failures.UNRESOLVED, "the name leads to a forbidden address")


def _interleaved(found: Sequence[_Address]) -> list[_Address]:
    """Address families in turn, in the order the resolver prefers."""
    families: dict[int, list[_Address]] = {}
    for address in found:
        families.setdefault(address[0], []).append(address)
    rows = itertools.zip_longest(*families.values())
    return [address for row in rows for address in row if address is not None]


async def _race(addresses: list[_Address]) -> socket.socket:
    """The first connection that stands; each address gets a short head start.

    Raises:
        OSError: none does; what the first address said.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0])
    left = deque(addresses)
    errors: list[BaseException] = []
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        while left or running:
            if left:
                running.add(asyncio.create_task(_connect(left.popleft())))
            done, _ = await asyncio.wait(
                running,
                timeout=_STAGGER if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                error = task.exception()
                if error is None:
                    running.discard(task)
                    return task.result()
                running.discard(task)
                errors.append(error)
    finally:
        for task in running:
            if not task.cancel() and task.exception() is None:
                task.result().close()
    raise errors[0]


async def _connect(address: _Address) -> socket.socket:
    return await _connected(_socket(address), address)


def _socket(address: _Address) -> socket.socket:
    sock = socket.socket(*address[:3])
    sock.setblocking(False)
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


async def _connected(sock: socket.socket, address: _Address) -> socket.socket:
    """Wait until `sock` is connected, which may have begun or be done already."""
    try:
        problem = sock.connect_ex(address[-1])
        if problem in _UNDER_WAY:
            await asyncio.get_running_loop().sock_connect(sock, address[-1])
        elif problem not in (0, errno.EISCONN):
            raise OSError(problem, os.strerror(problem))
    except BaseException:
        sock.close()
        raise
    return sock
