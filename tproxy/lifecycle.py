"""From start to exit: signals, reload, drain."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Callable
from typing import Protocol

import attrs

from tproxy import __version__
from tproxy.app import Proxy, SystemClock
from tproxy.core.errors import ConfigError
from tproxy.core.events import Notice, Observer
from tproxy.observe.log import JsonLog
from tproxy.settings import Settings


class Sink(Protocol):
    """A text stream, such as standard error."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


Load = Callable[[], Settings]
Started = Callable[[Proxy], None]


def serve(
    settings: Settings, log: Sink, *, load_again: Load | None, started: Started
) -> None:
    """Run a proxy until a signal ends it, with its log on `log`.

    Raises:
        OSError: it cannot listen.
    """
    _allow_many_connections()
    clock = SystemClock()
    lines = Batched(log)
    observer = JsonLog(lines, clock)
    handler = ToObserver(observer)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    proxy = Proxy(settings, observer, clock=clock)
    try:
        _run(Daemon(proxy, load_again, started))
    finally:
        lines.flush()


def _allow_many_connections() -> None:
    """Open as many descriptors as we may: a stream takes two, and 1,024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _run(daemon: Daemon) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(daemon.run())


def new_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it is installed: the same loop at a fraction of the cost."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def spare_what_stays() -> None:
    """Have the garbage collector pass over all there is by now, and come rarely.

    By default it looks at the newest objects after every few requests and at all of
    them now and then, for a sixth of the time. A request leaves it nothing to find: its
    objects go with their last reference.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


@attrs.define(eq=False)
class Batched:
    """Gathers lines and writes them at once, at the latest after `seconds`.

    A line a request would otherwise be a system call a request.
    """

    _sink: Sink
    _seconds: float = 0.05
    _lines: list[str] = attrs.field(factory=list, init=False)

    def write(self, line: str) -> None:
        self._lines.append(line)
        if len(self._lines) == 1:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                loop.call_later(self._seconds, self.flush)

    def flush(self) -> None:
        lines = "".join(self._lines)
        self._lines.clear()
        with contextlib.suppress(OSError, ValueError):  # a full disk, a closed pipe
            self._sink.write(lines)
            self._sink.flush()


class ToObserver(logging.Handler):
    """Passes on what libraries log, as notices; their traces may hold values."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(logging.WARNING)
        self._observer = observer

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
        level = "error" if record.levelno >= logging.ERROR else "warning"
        words = record.getMessage().partition("\n")[0][:300]
        self._observer.emit(Notice(level, words, fields))


@attrs.define(eq=False)
class Daemon:
    """Runs one proxy until it is told to stop.

    SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads. `load` is None
    where there is no file to load again. `started` is called once it listens.
    """

    proxy: Proxy
    load: Load | None
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
        self.started(self.proxy)
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
        if self.load is None:
            self._say("warning", "there is no configuration file to reload")
            return
        try:
            settings = self.load()
        except ConfigError as error:
            for fault in error.faults:
                self._say("error", f"configuration fault: {fault}")
            self._say("error", "the new configuration is refused, the old one stays")
            return
        self.proxy.reload(settings)
        spare_what_stays()
        self._say("info", "reloaded", models=len(settings.models))

    def _say(self, level: str, message: str, **fields: str | int) -> None:
        self.proxy.observer.emit(Notice(level, message, fields))
