"""One proxy in several processes, which share its address and its state store.

The parent builds no Proxy. What must not be shared across a fork each worker makes for
itself: its event loop, its connections, also to the store, the beginning of its ids.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

import attrs

from tproxy import __version__
from tproxy.app import Proxy, SystemClock, keep_listening
from tproxy.core.events import Notice, Observer
from tproxy.listening import Listening, listen_together
from tproxy.observe.counting import Both, Counting
from tproxy.observe.lines import Batched, Stream, Whole
from tproxy.observe.log import JsonLog
from tproxy.observe.tallies import Tallies
from tproxy.process import (
    Load,
    NewLoop,
    Reading,
    Started,
    log_to,
    loop_name,
    loops,
    spare_what_stays,
)
from tproxy.settings import Settings
from tproxy.stores import StoreFailed
from tproxy.web.routes import route_of
from tproxy.workers import CannotWork
from tproxy.workers.channel import Order, ToParent
from tproxy.workers.place import DRAINED, READY, TAKEN_IN
from tproxy.workers.supervisor import Supervisor


def serve_together(
    settings: Settings, log: Stream, *, load_again: Load | None, started: Started
) -> None:
    """Run as many workers as `settings` say, until a signal ends them.

    Raises:
        OSError: they cannot listen.
        NoneStarted: none of them could begin; the log says why.
    """
    stream = Whole(log)
    # One place for each worker, and the last for us, who only count what we log.
    tallies = Tallies(settings.server.workers + 1)
    counting = Counting(tallies.own(tallies.places), route_of)
    observer = Both(counting, JsonLog(stream, SystemClock()))
    log_to(observer)
    listening = listen_together(settings.server)
    crew = Crew(
        settings=settings,
        listening=listening,
        stream=stream,
        observer=observer,
        read_again=Reading(load_again, observer),
        tell=started,
        tallies=tallies,
    )
    spare_what_stays()  # before the first fork
    try:
        Supervisor(crew, len(listening), observer).run()
    finally:
        listening[0].remove()
    crew.say("stopped")


@attrs.define(eq=False, kw_only=True)
class Crew:
    """`workers.supervisor.Job`: what the parent has, and its workers begin with."""

    settings: Settings
    listening: tuple[Listening, ...]
    stream: Stream
    observer: Observer
    read_again: Reading
    tell: Started
    tallies: Tallies
    new_loop: NewLoop = attrs.field(factory=loops)

    def work(self, number: int, parent: ToParent) -> None:
        """Serve, in a process of its own."""
        ours = self.listening[number - 1]
        for other in self.listening:  # ours would not be the last to close them
            if other is not ours:
                other.close()
        lines = Batched(self.stream)
        clock = SystemClock()
        observer = JsonLog(lines, clock)
        log_to(observer)
        try:
            proxy = Proxy(
                *(self.settings, observer, clock),
                tallies=self.tallies,
                number=number,
            )
            log_to(proxy.observer)  # from now on it is counted, too
            with asyncio.Runner(loop_factory=self.new_loop) as runner:
                runner.run(Worker(proxy, ours, parent).run())
        except StoreFailed as error:
            raise CannotWork(str(error)) from error
        finally:
            lines.flush()

    def started(self) -> None:
        url = self.listening[0].url
        self.say(
            "serving",
            url=url,
            version=__version__,
            loop=loop_name(self.new_loop),
            workers=len(self.listening),
        )
        self.tell(url)

    def reload(self) -> Settings | None:
        new = self.read_again()
        if new is not None:
            self.settings = keep_listening(new, self.settings, self.observer)
            return self.settings
        return None

    def reloaded(self) -> None:
        self.say("reloaded", models=len(self.settings.models))

    def drain(self) -> None:
        for listening in self.listening:
            listening.close()

    def say(self, message: str, **fields: str | int) -> None:
        self.observer.emit(Notice("info", message, fields))


@attrs.define(eq=False)
class Worker:
    """Runs one proxy of several as its parent says, and not without a parent."""

    proxy: Proxy
    listening: Listening
    parent: ToParent

    async def run(self) -> None:
        await self.proxy.start(self.listening)
        self.parent.say(READY)
        spare_what_stays()
        draining = None
        async with contextlib.aclosing(self.parent.orders()) as orders:
            async for order in orders:
                match order:
                    case Settings():
                        self.proxy.reload(order)
                        gc.collect()
                        self.parent.say(TAKEN_IN)
                    case Order.DRAIN:
                        draining = asyncio.create_task(self._drain())
                    case _:
                        break
        if draining is not None:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)
        await self.proxy.stop()

    async def _drain(self) -> None:
        try:
            await self.proxy.drain()
        finally:
            self.parent.say(DRAINED)
