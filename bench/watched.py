"""The daemon, with a probe on its loop: `python -m bench.watched` is `tproxy`.

On SIGUSR1 it writes a `Seen` as JSON to the file that BENCH_SEEN names, and goes on
anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import attrs

from bench.load import percentiles
from tproxy import cli, lifecycle
from tproxy.process import NewLoop, loops

FILE = "BENCH_SEEN"
_EVERY = 0.005  # seconds


@attrs.frozen
class Seen:
    """`lag`, in seconds, is how late the loop ran: median, 99th percentile, most."""

    tasks: int
    lag: tuple[float, float, float]


@attrs.define(eq=False)
class Probe:
    """Looks at the clock every 5 ms; a late look stands for all that it missed."""

    _loop: asyncio.AbstractEventLoop
    _file: Path
    _late: list[float] = attrs.field(factory=list)

    def begin(self) -> None:
        self._loop.add_signal_handler(signal.SIGUSR1, self._tell)
        self._look(self._loop.time())

    def _look(self, due: float) -> None:
        late = max(self._loop.time() - due, 0.0)
        self._late.append(late)
        while (late := late - _EVERY) > 0:
            self._late.append(late)
        due = self._loop.time() + _EVERY
        self._loop.call_at(due, self._look, due)

    def _tell(self) -> None:
        late, self._late = self._late, []
        tasks = len(asyncio.all_tasks(self._loop))
        seen = Seen(tasks, (*percentiles(late), max(late, default=0.0)))
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(attrs.asdict(seen)))
        written.rename(self._file)


def _probed() -> NewLoop:
    new_loop = loops()

    def new() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        # Not before it runs: only then may it be told of signals.
        loop.call_soon(Probe(loop, Path(os.environ[FILE])).begin)
        return loop

    return new


if __name__ == "__main__":
    lifecycle.loops = _probed  # type: ignore[attr-defined]  # where it is used
    sys.exit(cli.main())
