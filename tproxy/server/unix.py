"""A Unix socket to listen on: made, and taken away again."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat

from tornado.netutil import bind_unix_socket

_MODE = 0o660  # who may connect is for the file's group, and the folder, to say


def bind_unix(path: str) -> socket.socket:
    """A socket at `path`, in the place of one that nobody listens on any more.

    Raises:
        OSError: somebody does, or the file is no socket, or cannot be made.
    """
    if _answers(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if os.path.exists(path) and not stat.S_ISSOCK(os.stat(path).st_mode):
        raise OSError(errno.EEXIST, "the file exists, and is no socket")
    return bind_unix_socket(path, mode=_MODE)


def unbind(path: str) -> None:
    """Remove the file, unless somebody listens there by now."""
    if not _answers(path):
        with contextlib.suppress(OSError):
            os.unlink(path)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as knocking:
        try:
            knocking.connect(path)
        except OSError:
            return False
    return True
