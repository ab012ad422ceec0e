"""A parent and its workers in processes of their own, which do as their names say.

`python -m tests.workers.scripted JOB...`: one worker for each JOB, and what happens in
lines of JSON on standard error. Workers tell of themselves there as the parent does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import aclosing

import attrs

from tproxy.app import SystemClock
from tproxy.core.events import Notice
from tproxy.observe.log import JsonLog
from tproxy.workers import CannotWork, NoneStarted
from tproxy.workers.channel import Order, ToParent
from tproxy.workers.place import DRAINED, READY, TAKEN_IN
from tproxy.workers.supervisor import Supervisor


@attrs.frozen
class News:
    """An order of this job's own, too long for the channel to hold at once."""

    filling: bytes = b"\0" * 1_000_000


@attrs.frozen
class Script:
    """What each worker is to do."""

    jobs: tuple[str, ...]
    log: JsonLog

    def work(self, number: int, parent: ToParent) -> None:
        JOBS[self.jobs[number - 1]](self, number, parent)

    def started(self) -> None:
        self.say("started")

    def reload(self) -> News:
        return News()

    def reloaded(self) -> None:
        self.say("reloaded")

    def drain(self) -> None:
        self.say("told to drain")

    def say(self, message: str, **fields: str | int) -> None:
        self.log.emit(Notice("info", message, {"pid": os.getpid(), **fields}))


def steady(script: Script, number: int, parent: ToParent) -> None:
    """Does as it is told."""

    async def work() -> None:
        script.say("at work", worker=number)
        parent.say(READY)
        async with aclosing(parent.orders()) as orders:
            async for order in orders:
                match order:
                    case News():
                        assert order == News()
                        script.say("news", worker=number)
                        parent.say(TAKEN_IN)
                    case Order.DRAIN:
                        script.say("drained", worker=number)
                        parent.say(DRAINED)
                    case _:
                        script.say("told to end", worker=number)
                        return
        script.say("without a parent", worker=number)

    asyncio.run(work())


def slow(script: Script, number: int, parent: ToParent) -> None:
    """Never gets so far as to have drained."""

    async def work() -> None:
        parent.say(READY)
        async with aclosing(parent.orders()) as orders:
            async for order in orders:
                if order is Order.END:
                    return

    asyncio.run(work())


def failing(script: Script, number: int, parent: ToParent) -> None:
    """Fails each time."""
    raise RuntimeError("a value that is nobody's business")


def unable(script: Script, number: int, parent: ToParent) -> None:
    """Knows why it fails."""
    raise CannotWork("there is no work")


def deaf(script: Script, number: int, parent: ToParent) -> None:
    """Hears nothing."""
    script.say("at work", worker=number)
    parent.say(READY)
    while True:
        signal.pause()


def hurt(script: Script, number: int, parent: ToParent) -> None:
    """Is killed in the middle of its work."""
    parent.say(READY)
    time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGSEGV)


JOBS: dict[str, Callable[[Script, int, ToParent], None]] = {
    job.__name__: job for job in (steady, slow, failing, unable, deaf, hurt)
}


def main() -> None:
    log = JsonLog(sys.stderr, SystemClock())
    script = Script(tuple(sys.argv[1:]), log)
    try:
        Supervisor(script, len(script.jobs), log, grace=0.2).run()
    except NoneStarted:
        script.say("none started")
    else:
        script.say("ended")


if __name__ == "__main__":
    main()
