"""What every process of a proxy needs: its loop, its log, its memory, its settings."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
from collections.abc import Callable

import attrs

from tproxy.core.errors import ConfigError
from tproxy.core.events import Notice, Observer
from tproxy.settings import Settings

Load = Callable[[], Settings]
Started = Callable[[str], None]  # is told the base URL
NewLoop = Callable[[], asyncio.AbstractEventLoop]


def allow_many_connections() -> None:
    """Open as many descriptors as we may: a stream takes two, and 1,024 is usual."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def loops() -> NewLoop:
    """uvloop's where it is installed: the same loop at a fraction of the cost."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def loop_name(new_loop: NewLoop) -> str:
    return new_loop.__module__.partition(".")[0]


def spare_what_stays() -> None:
    """Have the garbage collector pass over all there is by now, and come rarely.

    By default it looks at the newest objects after every few requests and at all of
    them now and then, for a sixth of the time. A request leaves it nothing to find: its
    objects go with their last reference. And what it does not look at stays shared with
    the process that this one was forked from.

    Once, before there are requests: what those under way leave would stay as well.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)


def log_to(observer: Observer) -> None:
    """Have libraries tell `observer` what they log."""
    handler = ToObserver(observer)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


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


@attrs.frozen(eq=False)
class Reading:
    """Reads the settings again, when there is a file to read them from."""

    load: Load | None
    observer: Observer

    def __call__(self) -> Settings | None:
        """The new ones; None where the old ones stay, and the log says why."""
        if self.load is None:
            self._say("warning", "there is no configuration file to reload")
            return None
        try:
            return self.load()
        except ConfigError as error:
            for fault in error.faults:
                self._say("error", f"configuration fault: {fault}")
            self._say("error", "the new configuration is refused, the old one stays")
            return None

    def _say(self, level: str, message: str) -> None:
        self.observer.emit(Notice(level, message))
