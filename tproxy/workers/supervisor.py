"""Keeps processes at work: starts them, starts them again, tells them all the same.

The parent does no work itself. It has no thread and no event loop, so that it can fork
at any time, and its children share with it whatever is in memory by then.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import socket
import time
from pathlib import Path
from typing import NoReturn, Protocol

import attrs

from tproxy.core.events import Notice, Observer
from tproxy.workers import CannotWork, NoneStarted
from tproxy.workers.channel import Order, ToParent, ToWorker, channel
from tproxy.workers.place import FAILED, Place, Worker
from tproxy.workers.signals import caught, fork


class Job(Protocol):
    """What workers do, and what their parent does beside."""

    def work(self, number: int, parent: ToParent) -> None:
        """Be worker `number`, counted from 1, until told to end, in its process."""
        ...

    def started(self) -> None:
        """All are ready, but for those that crashed."""
        ...

    def reload(self) -> object | None:
        """The order that brings them what is new; None if nothing is."""
        ...

    def reloaded(self) -> None:
        """All have taken it in."""
        ...

    def drain(self) -> None:
        """All have been told to."""
        ...


@attrs.define(eq=False)
class Supervisor:
    """Keeps `count` workers at their job until a signal ends it.

    SIGTERM and SIGINT drain, a second one ends at once, SIGHUP reloads.
    """

    job: Job
    count: int
    observer: Observer
    grace: float = 5.0  # seconds for workers that were told to end
    _places: tuple[Place, ...] = attrs.field(init=False)
    _started: bool = attrs.field(default=False, init=False)
    _reloading: bool = attrs.field(default=False, init=False)
    _draining: bool = attrs.field(default=False, init=False)
    _ends_by: float = attrs.field(default=math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._places = tuple(Place(number + 1) for number in range(self.count))

    def run(self) -> None:
        """Work, and leave no process behind.

        Raises:
            NoneStarted: there is nothing to keep at work.
        """
        with caught() as signals:
            try:
                while self._workers() or not self._draining:
                    self._start_due()
                    self._wait(signals)
                    self._go_on()
            finally:
                self._kill_all()

    def _workers(self) -> list[Worker]:
        return [place.worker for place in self._places if place.worker is not None]

    def _wait(self, signals: socket.socket) -> None:
        """Act on what happens next."""
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            for worker in self._workers():
                if not worker.silent:
                    selector.register(worker.channel.end, selectors.EVENT_READ, worker)
            ready = selector.select(self._seconds_left())
        for key, _ in ready:
            if key.data is not None:
                key.data.hear()
        if any(key.data is None for key, _ in ready):
            for number in signals.recv(4_096):
                self._signalled(signal.Signals(number))

    def _seconds_left(self) -> float | None:
        """Until something is to be done unasked; None where nothing is."""
        moments = [self._ends_by]
        if not self._draining:
            moments += [place.due for place in self._places if place.worker is None]
        soonest = min(moments)
        return None if soonest == math.inf else max(0.0, soonest - time.monotonic())

    def _go_on(self) -> None:
        """Do what several had to be ready for."""
        workers = self._workers()
        if not self._started and not self._draining:
            unharmed = [place for place in self._places if not place.crashes]
            if not unharmed:
                raise NoneStarted
            if all(place.worker and place.worker.ready for place in unharmed):
                self._started = True
                self.job.started()
        if self._reloading and not any(worker.behind for worker in workers):
            self._reloading = False
            self.job.reloaded()
        if self._draining and all(worker.drained for worker in workers):
            self._end()
        if time.monotonic() >= self._ends_by:
            self._ends_by = math.inf
            self._kill_all()

    def _signalled(self, number: signal.Signals) -> None:
        if number == signal.SIGCHLD:
            self._reap()
        elif number == signal.SIGHUP:
            self._reload()
        elif self._draining:
            self._end()
        else:
            self._draining = True
            self._say("info", "draining", signal=number.name)
            self._tell(Order.DRAIN)
            self.job.drain()

    def _reload(self) -> None:
        if self._draining:
            return
        try:
            order = self.job.reload()
        except Exception as error:  # noqa: BLE001 - workers go on with what they have
            self._say("error", "the reload failed", cause=_told(error))
            return
        if order is not None:
            self._reloading = True
            for worker in self._workers():
                worker.behind += 1
            self._tell(order)

    def _end(self) -> None:
        if self._ends_by == math.inf:
            self._ends_by = time.monotonic() + self.grace
            self._tell(Order.END)

    def _tell(self, order: object) -> None:
        for worker in self._workers():
            try:
                worker.channel.tell(order)
            except TimeoutError:  # one that hears nothing is no use any more
                os.kill(worker.pid, signal.SIGKILL)

    def _start_due(self) -> None:
        now = time.monotonic()
        for place in self._places:
            if place.worker is None and place.due <= now and not self._draining:
                self._start(place)

    def _start(self, place: Place) -> None:
        above, below = channel()
        try:
            pid = fork()
        except OSError as error:
            above.close()
            self._crashed(place, error.strerror or "no process")
        else:
            if pid == 0:
                self._be(place.number, above, below)
            place.worker = Worker(pid, above)
        finally:
            below.close()

    def _be(self, number: int, above: ToWorker, below: ToParent) -> NoReturn:
        """Be a worker, in a process that has just begun."""
        code = 1
        try:
            # The parent's ends would outlive it here.
            for held in (above, *(worker.channel for worker in self._workers())):
                held.close()
            self.job.work(number, below)
            code = 0
        except BaseException as error:  # noqa: BLE001 - nothing may get any further
            below.say(FAILED + _told(error))
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Note who has ended."""
        for place in self._places:
            worker = place.worker
            if worker is None:
                continue
            pid, status = os.waitpid(worker.pid, os.WNOHANG)
            if not pid:
                continue
            worker.hear()  # its last words
            worker.channel.close()
            if status == 0 and self._draining:
                place.worker = None
            else:
                self._crashed(place, worker.why or _cause(status), pid=pid)

    def _crashed(self, place: Place, cause: str, **fields: int) -> None:
        fields |= {"worker": place.number}
        pause = place.crashed()
        if self._draining:
            self._say("error", "a worker crashed", cause=cause, **fields)
        else:
            said = "a worker crashed, another follows"
            self._say("error", said, cause=cause, after_seconds=pause, **fields)

    def _kill_all(self) -> None:
        for worker in self._workers():
            os.kill(worker.pid, signal.SIGKILL)

    def _say(self, level: str, message: str, **fields: str | float) -> None:
        self.observer.emit(Notice(level, message, fields))


def _cause(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal
        return f"signal {-code}"


def _told(error: BaseException) -> str:
    """What failed and where; in its own words only if these hold no values."""
    if isinstance(error, CannotWork):
        return str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    file = Path(trace.tb_frame.f_code.co_filename).name
    return f"{type(error).__name__} at {file}:{trace.tb_lineno}"
