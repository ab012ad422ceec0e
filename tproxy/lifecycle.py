"""From start to exit: signals, reload, drain."""

from __future__ import annotations

import asyncio
import gc
import signal

import attrs

from tproxy import __version__
from tproxy.app import Proxy, SystemClock
from tproxy.core.events import Notice
from tproxy.observe.lines import Batched, Stream
from tproxy.observe.log import JsonLog
from tproxy.process import (
    Load,
    Reading,
    Started,
    allow_many_connections,
    log_to,
    loops,
    spare_what_stays,
)
from tproxy.settings import Settings


def serve(
    settings: Settings, log: Stream, *, load_again: Load | None, started: Started
) -> None:
    """Run a proxy until a signal ends it, with its log on `log`.

    `load_again` is None where there is no file to load again. `started` is called once
    it listens.

    Raises:
        OSError: it cannot listen.
        NoneStarted: there were to be several workers, and none of them could begin.
    """
    allow_many_connections()
    if settings.server.workers > 1:
        from tproxy.crew import serve_together  # one process has no use for it

        serve_together(settings, log, load_again=load_again, started=started)
    else:
        _serve_alone(settings, log, load_again, started)


def _serve_alone(
    settings: Settings, log: Stream, load_again: Load | None, started: Started
) -> None:
    clock = SystemClock()
    lines = Batched(log)
    observer = JsonLog(lines, clock)
    log_to(observer)
    proxy = Proxy(settings, observer, clock=clock)
    log_to(proxy.observer)  # from now on it is counted, too
    daemon = Daemon(proxy, Reading(load_again, proxy.observer), started)
    try:
        with asyncio.Runner(loop_factory=loops()) as runner:
            runner.run(daemon.run())
    finally:
        lines.flush()


@attrs.define(eq=False)
class Daemon:
    """Runs one proxy until it is told to stop.

    SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads.
    """

    proxy: Proxy
    read_again: Reading
    started: Started
    _told: int = 0
    _stopping: asyncio.Event = attrs.field(factory=asyncio.Event)
    _at_once: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def run(self) -> None:
        """Serve.

        Raises:
            OSError: it cannot listen.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number.name)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        await self.proxy.start()
        self._say(
            "info",
            "serving",
            url=self.proxy.url,
            version=__version__,
            loop=type(loop).__module__.partition(".")[0],
        )
        self.started(self.proxy.url)
        spare_what_stays()
        await self._stopping.wait()
        draining = asyncio.ensure_future(self.proxy.drain())
        at_once = asyncio.ensure_future(self._at_once.wait())
        await asyncio.wait((draining, at_once), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, at_once):
            task.cancel()
        await asyncio.gather(draining, at_once, return_exceptions=True)
        await self.proxy.stop()
        self._say("info", "stopped")

    def _stop(self, name: str) -> None:
        if self._stopping.is_set():
            self._at_once.set()
            return
        self._say("info", "draining", signal=name)
        self._stopping.set()

    def _reload(self) -> None:
        settings = self.read_again()
        if settings is None:
            return
        self.proxy.reload(settings)
        gc.collect()
        self._say("info", "reloaded", models=len(settings.models))

    def _say(self, level: str, message: str, **fields: str | int) -> None:
        self.proxy.observer.emit(Notice(level, message, fields))
