"""One worker as its parent knows it, and the place it has among the others."""

from __future__ import annotations

import time
from typing import Final

import attrs

from tproxy.workers.channel import ToWorker

# What workers say.
READY: Final = "ready"
TAKEN_IN: Final = "taken in"  # an order that was the job's own
DRAINED: Final = "drained"
FAILED: Final = "failed: "  # and why

_FIRST_PAUSE = 0.1  # seconds before the next; doubled by each further crash, up to
_LONGEST_PAUSE = 5.0
_SETTLED = 1.0  # seconds; whoever has worked so long did not fail at its start


@attrs.define(eq=False)
class Worker:
    """A process at work, and what it said last."""

    pid: int
    channel: ToWorker
    since: float = attrs.field(factory=time.monotonic)
    ready: bool = False
    drained: bool = False
    behind: int = 0  # orders it has not taken in yet
    silent: bool = False  # it will say no more
    why: str = ""  # it failed

    def hear(self) -> None:
        """Note what it says."""
        words = self.channel.hear()
        if words is None:
            self.silent = True
            return
        for word in words:
            if word == READY:
                self.ready = True
            elif word == TAKEN_IN:
                self.behind -= 1
            elif word == DRAINED:
                self.drained = True
            else:
                self.why = word.removeprefix(FAILED)


@attrs.define(eq=False)
class Place:
    """Where one worker follows the other, after a pause if that did not last."""

    number: int
    worker: Worker | None = None
    crashes: int = 0  # one after the other
    due: float = 0.0  # when the next is to be started

    def crashed(self) -> float:
        """Whoever was here is no more; return the seconds until the next."""
        worker, self.worker = self.worker, None
        now = time.monotonic()
        if worker is not None and worker.ready and now - worker.since >= _SETTLED:
            self.crashes = 0
        pause = min(_FIRST_PAUSE * 2.0 ** min(self.crashes, 30), _LONGEST_PAUSE)
        self.crashes += 1
        self.due = now + pause
        return pause
