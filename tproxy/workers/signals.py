"""Signals as something to wait for, and away from a child that is being made."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator

_CAUGHT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@contextlib.contextmanager
def caught() -> Iterator[socket.socket]:
    """A socket that gets a byte, its number, for each signal a parent acts on."""
    here, there = socket.socketpair()
    with here, there:
        here.setblocking(False)
        there.setblocking(False)
        signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, _wake) for number in _CAUGHT}
        try:
            yield here
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(-1)


def fork() -> int:
    """`os.fork`, whose child hears of signals through its parent only.

    A terminal, or a supervisor such as systemd, tells the whole group, and would tell
    a worker twice.

    Raises:
        OSError: there can be no further process.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _CAUGHT)
    try:
        pid = os.fork()
        if pid == 0:
            # Still the parent's; a signal would be told to it as its own.
            signal.set_wakeup_fd(-1)
            for number in _CAUGHT:
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _CAUGHT)


def _wake(number: int, frame: object) -> None:
    """There has to be a handler for the socket to get its byte."""
