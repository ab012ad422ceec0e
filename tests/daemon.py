"""The real daemon in a process of its own, as an operator starts it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from tests.serving import TOKEN

_BARE = {
    name: value
    for name, value in os.environ.items()
    if not re.search(r"KEY|TOKEN|CREDENTIALS|^PORT$|^RETRY_", name)
}


@attrs.define(eq=False)
class Daemon:
    """A running `tproxy`. `lines` are all log lines read so far."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, object]] = attrs.field(factory=list)
    port: int = 0

    async def logged(self, message: str) -> dict[str, object]:
        """The next log line with this message."""
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            if not raw.startswith(b"{"):
                continue  # warnings about the configuration
            line = json.loads(raw)
            self.lines.append(line)
            if line["message"] == message:
                return dict(line)
        raise AssertionError(f"ended without saying {message!r}: {self.lines}")

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Read the rest of the log; the exit code."""
        assert self.process.stderr is not None
        async for raw in self.process.stderr:
            if raw.startswith(b"{"):
                self.lines.append(json.loads(raw))
        return await self.process.wait()


async def spawn(
    *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    return await python("tproxy", *arguments, cwd=cwd, environ=environ)


async def python(
    module: str, *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=cwd,
        env={**_BARE, "AUTH_TOKEN": TOKEN, **(environ or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(
    *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Daemon]:
    """A daemon that listens on a free port; killed at the end if it still runs."""
    process = await spawn(*arguments, "--addr", "127.0.0.1:0", cwd=cwd, environ=environ)
    daemon = Daemon(process)
    try:
        line = await daemon.logged("serving")
        daemon.port = int(str(line["url"]).rpartition(":")[2].removesuffix("/v1"))
        yield daemon
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def result(
    *arguments: str, cwd: Path, environ: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command that ends."""
    process = await spawn(*arguments, cwd=cwd, environ=environ)
    out, err = await process.communicate()
    code = process.returncode
    assert code is not None
    return code, out.decode(), err.decode()
