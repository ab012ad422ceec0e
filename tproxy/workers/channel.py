"""Between a parent and a worker: orders go down, words come up.

Either end sees that the other process has gone, however it went: the channel ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import pickle
import socket
import struct
from collections.abc import AsyncGenerator

import attrs

_SIZE = struct.Struct("!I")
_PATIENCE = 5.0  # seconds for a worker to take an order in


class Order(enum.Enum):
    """What any parent may tell. A job has orders of its own, such as new settings."""

    DRAIN = enum.auto()  # take nothing new on, and say so when nothing is left
    END = enum.auto()


@attrs.define(eq=False)
class ToWorker:
    """The parent's end."""

    end: socket.socket
    _heard: bytes = attrs.field(default=b"", init=False)

    def tell(self, order: object) -> None:
        """Send an order, of any type that can be pickled.

        Raises:
            TimeoutError: the worker does not listen.
        """
        told = pickle.dumps(order)
        self.end.settimeout(_PATIENCE)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it is dying
            self.end.sendall(_SIZE.pack(len(told)) + told)

    def hear(self) -> list[str] | None:
        """The words that have arrived, maybe none yet; None once it has gone."""
        self.end.settimeout(0)
        try:
            said = self.end.recv(4096)
        except BlockingIOError:
            return []
        except ConnectionResetError:
            said = b""
        *words, self._heard = (self._heard + said).split(b"\n")
        return [word.decode("utf-8", "replace") for word in words] if said else None

    def close(self) -> None:
        self.end.close()


@attrs.define(eq=False)
class ToParent:
    """The worker's end."""

    end: socket.socket

    def say(self, word: str) -> None:
        """Send a word, one line of text."""
        with contextlib.suppress(OSError):  # it has gone, and the orders end
            self.end.sendall(word.encode() + b"\n")

    async def orders(self) -> AsyncGenerator[object, None]:
        """The orders as they come. They end with the parent."""
        reader, writer = await asyncio.open_unix_connection(sock=self.end.dup())
        with contextlib.closing(writer):
            while True:
                try:
                    (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
                    told = await reader.readexactly(size)
                except (asyncio.IncompleteReadError, ConnectionResetError):
                    return
                yield pickle.loads(told)  # noqa: S301 - from the process that made us

    def close(self) -> None:
        self.end.close()


def channel() -> tuple[ToWorker, ToParent]:
    """Both ends of a new one."""
    above, below = socket.socketpair()
    return ToWorker(above), ToParent(below)
