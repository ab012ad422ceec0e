"""The composition root: the one place that names concrete classes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import attrs

from tproxy.auth.oauth import OAuth
from tproxy.auth.signer import AnySigner
from tproxy.auth.static import StaticKey
from tproxy.core.budget import Budget
from tproxy.core.catalog import Catalog
from tproxy.core.events import Notice, Observer
from tproxy.core.model import Client
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Selection, Strategy
from tproxy.core.state import Clock
from tproxy.core.upstream import Dialect, Signer, Transport
from tproxy.listening import Listening, listen
from tproxy.monitoring import Looks, Monitoring
from tproxy.observe.counting import Both, Counting
from tproxy.observe.metrics import Metrics
from tproxy.observe.tallies import Tallies
from tproxy.providers import dialect, dialects
from tproxy.relay.admission import Admission
from tproxy.relay.attempt import Ports
from tproxy.relay.doors import Doors
from tproxy.relay.health import HealthChecks
from tproxy.relay.relay import Relay
from tproxy.selection.eligible import select, unfit
from tproxy.selection.strategies import strategy
from tproxy.server.limits import Limits
from tproxy.server.server import Server
from tproxy.settings import Settings
from tproxy.state.memory import MemoryTurns
from tproxy.stores import Store, opened
from tproxy.transport.guard import Outside
from tproxy.transport.pooled import PooledTransport
from tproxy.web.context import Context, Snapshot
from tproxy.web.refused import Refused
from tproxy.web.routes import Routes, route_of

if TYPE_CHECKING:
    from tproxy.echo.server import EchoServer

_LEFTOVER_SECONDS = 5.0  # for error events after the drain
_LIMITS = Limits(body_bytes=1 << 30)  # the handlers' own is tighter, and is reloaded


class Dialects(Mapping[str, Dialect]):
    """Those of `tproxy.providers` by name, each plug-in loaded when it is looked up.

    For settings to go by. Looking up raises ConfigError for one that cannot be used.
    """

    def __getitem__(self, name: str) -> Dialect:
        if name not in dialects():
            raise KeyError(name)
        return dialect(name)

    def __contains__(self, name: object) -> bool:
        return name in dialects()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(dialects()))

    def __len__(self) -> int:
        return len(dialects())


class SystemClock:
    """`core.state.Clock` as the machine has it."""

    wall = staticmethod(time.time)
    steady = staticmethod(time.monotonic)


@attrs.define(eq=False)
class Proxy:
    """One proxy, from `start` to `drain` and `stop`. Two of them share nothing.

    But for `tallies`, if it is one of several workers: it has place `number` there.
    Its `observer` is the one it is given, and one that counts.
    """

    settings: Settings
    observer: Observer
    clock: Clock = attrs.field(factory=SystemClock)
    transport: Transport = attrs.field(factory=PooledTransport)
    outside: Transport = attrs.field(factory=Outside)
    chance: Callable[[], float] = random.random
    tallies: Tallies = attrs.field(factory=Tallies)
    number: int = 1
    _monitoring: Monitoring = attrs.field(init=False)
    _showing: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _store: Store = attrs.field(init=False)
    _ports: Ports = attrs.field(init=False)
    _admission: Admission = attrs.field(init=False)
    _checks: HealthChecks = attrs.field(init=False)
    _beating: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _signer: Signer = attrs.field(init=False)
    _context: Context = attrs.field(init=False)
    _listening: Listening | None = attrs.field(default=None, init=False)
    _server: Server | None = attrs.field(default=None, init=False)
    _echo: EchoServer | None = attrs.field(default=None, init=False)
    _idle: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        tally = self.tallies.own(self.number)
        counting = Counting(tally, route_of)
        self.observer = Both(counting, self.observer)
        self._store = store = opened(
            self.settings.state,
            self.clock,
            self.observer,
            self.chance,
            self.settings.server.workers,
        )
        self._ports = Ports(store.quotas, store.breakers, self.clock)
        self._admission = Admission(self._ports, store.starts, MemoryTurns())
        self._signer = AnySigner(StaticKey(), OAuth(self.transport, self.clock))
        self._checks = HealthChecks(
            Doors(self._signer, self.transport, self.outside),
            *(store.breakers, store.starts, self.observer, self.chance),
        )
        # A run's ids share a random start, so that two runs never mix in one log.
        run, count = secrets.token_hex(6), itertools.count(1)
        self._context = Context(
            snapshot=self._snapshot(self.settings),
            clock=self.clock,
            observer=self.observer,
            quotas=self._ports.quotas,
            breakers=self._ports.breakers,
            new_id=lambda: f"req_{run}{next(count):08x}",
            idle=self._idle.set,
        )
        looks = Looks(self._context, store, self.transport, self._connections)
        ports = store.quotas, store.breakers, self.clock
        metrics = Metrics(looks, *ports, self.tallies, tally, self.number)
        self._context.figures = metrics
        self._monitoring = Monitoring(counting, metrics)
        self._monitoring.go_by(self.settings, self.clock.wall())

    @property
    def url(self) -> str:
        """The base URL for clients on this machine, once it listens."""
        return "" if self._listening is None else self._listening.url

    @property
    def port(self) -> int:
        return 0 if self._listening is None else self._listening.port

    async def start(self, listening: Listening | None = None) -> None:
        """Serve on what is bound, by default by ourselves.

        Raises:
            OSError: the address is taken or not ours, or a TLS file is unreadable.
        """
        self._listening = listening or listen(self.settings.server)
        self._with_echo()
        await self._store.start(_budgets(self.settings))
        leases, quotas = self._ports.leases, self._ports.quotas
        self._beating = asyncio.create_task(leases.keep(quotas))
        tls = self._listening.tls
        self._server = Server(
            Routes(self._context),
            limits=_LIMITS,
            tls=tls,
            refused=Refused(self._context),
        )
        await self._server.start(self._listening.sockets)
        self._checks.watch(self.settings.models)
        if self.tallies.places > 1:
            self._showing = asyncio.create_task(self._monitoring.metrics.keep())
        self._context.ready = True

    def reload(self, settings: Settings) -> None:
        """Serve by `settings` from the next request on.

        Requests under way keep what they began with; quotas, breakers and turns go on.
        The listening socket stays as it is; over TLS it shows the certificate that is
        in its files by now.
        """
        self.settings = keep_listening(settings, self.settings, self.observer)
        if self._listening is not None:
            self._listening.renew(self.settings.server, self.observer)
        self._context.snapshot = self._snapshot(self.settings)
        self._monitoring.go_by(self.settings, self.clock.wall())
        self._with_echo()
        self._checks.watch(self.settings.models)

    async def drain(self) -> None:
        """Take no new connection; let requests under way end, up to `drain_seconds`.

        What is left then is told so, in its stream where that has begun.
        """
        self._context.draining = True
        if self._server is not None:
            await self._server.drain(self.settings.server.drain_seconds)
        for request in tuple(self._context.active):
            request.cut()
        await self._idle_within(_LEFTOVER_SECONDS)

    async def stop(self) -> None:
        """Close everything at once."""
        self._context.draining = True
        if self._server is not None:
            await self._server.close_all()
        if self._listening is not None:
            self._listening.remove()
        await self._checks.close()
        self.transport.close()
        self.outside.close()
        if self._echo is not None:
            await self._echo.stop()
        for task in (self._beating, self._showing):
            if task is not None:
                task.cancel()
                await asyncio.wait((task,))
        await self._store.close()

    def _connections(self) -> int:
        return 0 if self._server is None else self._server.connections

    async def _idle_within(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._context.active:
                    self._idle.clear()
                    await self._idle.wait()

    def _with_echo(self) -> None:
        """Start the built-in provider if a model needs it."""
        if not self.settings.needs_echo:
            return
        if self._echo is None:
            from tproxy.echo.server import EchoServer  # most never need it

            self._echo = EchoServer(clock=self.clock.wall)
            self._echo.start()
        self.settings = self.settings.with_echo(f"{self._echo.url}/chat/completions")
        self._context.snapshot = self._snapshot(self.settings)

    def _snapshot(self, settings: Settings) -> Snapshot:
        catalog = Catalog.of(settings.models, settings.routing.fallbacks)
        relay = Relay(
            catalog=catalog,
            select=partial(_select, strategy(settings.routing.by)),
            unfit=unfit,
            dialect=dialect,
            doors=Doors(self._signer, self.transport, self.outside),
            admission=self._admission,
            routing=settings.routing,
            retry=settings.retry,
            chance=self.chance,
            fetches_links=settings.server.fetch_images,
        )
        return Snapshot(
            relay=relay,
            catalog=catalog,
            clients=settings.clients,
            created=int(self.clock.wall()),
            cors_origins=settings.server.cors_origins,
            max_request_bytes=settings.server.max_request_bytes,
            max_in_flight=settings.server.max_in_flight,
        )


def keep_listening(new: Settings, old: Settings, observer: Observer) -> Settings:
    """`new`, but for what only a restart changes; `observer` is told of that."""
    kept = new.listening_as(old)
    if kept != new:
        words = "server.addr, server.tls, server.workers and state"
        words += " change only at a restart"
        observer.emit(Notice("warning", words))
    return kept


def _budgets(settings: Settings) -> tuple[Budget, ...]:
    """All that requests can take from, each once."""
    of_models = [budget for model in settings.models for budget in model.budgets]
    of_clients = [budget for client in settings.clients for budget in client.budgets]
    return tuple(dict.fromkeys((*of_models, *of_clients)))


def _select(
    order: Strategy,
    request: Request,
    client: Client,
    candidates: Sequence[Candidate],
    called: str,
) -> Selection:
    return select(request, client, candidates, order, called=called)
