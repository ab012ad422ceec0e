"""What a proxy counts and shows of itself, put together for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial

import attrs

from tproxy.observe.counting import Counting
from tproxy.observe.exposition import Metric
from tproxy.observe.families import (
    CLIENT_CONNECTIONS,
    CONNECTION_WAITS,
    HEDGEABLE,
    HEDGED,
    HEDGES_LEFT,
    HEDGES_WON,
    IN_FLIGHT,
    PROVIDER_CONNECTIONS,
    QUEUED,
)
from tproxy.observe.metrics import Configured, Metrics
from tproxy.relay.cost import concurrency, spend
from tproxy.settings import Settings
from tproxy.stores import Store
from tproxy.transport.pooled import PooledTransport
from tproxy.web.context import Context

Figure = tuple[Metric, tuple[str, ...], float]


@attrs.frozen(eq=False)
class Looks:
    """`observe.metrics.Process`: looks at the parts of one proxy."""

    _context: Context
    _store: Store
    _transport: object
    _clients: Callable[[], int]  # connections

    def now(self) -> Iterator[Figure]:
        yield IN_FLIGHT, (), len(self._context.active)
        yield CLIENT_CONNECTIONS, (), self._clients()
        relay = self._context.snapshot.relay
        for what, waiting in relay.admission.queues.lengths().items():
            yield QUEUED, (_line(what),), waiting
        for category in relay.routing.hedge:
            allowance = relay.ports.hedging[category].allowance
            yield HEDGES_LEFT, (category,), allowance.left
        if isinstance(self._transport, PooledTransport):
            idle, busy, waiting = self._transport.connections
            yield PROVIDER_CONNECTIONS, ("idle",), idle
            yield PROVIDER_CONNECTIONS, ("busy",), busy
            yield CONNECTION_WAITS, (), waiting

    def since_its_start(self) -> Iterator[Figure]:
        relay = self._context.snapshot.relay
        for category in relay.routing.hedge:
            hedging = relay.ports.hedging[category]
            yield HEDGEABLE, (category,), hedging.allowance.requests
            yield HEDGED, (category,), hedging.allowance.hedged
            yield HEDGES_WON, (category,), hedging.won

    def stores(self) -> Mapping[str, bool]:
        return self._store.up()

    def is_draining(self) -> bool:
        return self._context.draining


@attrs.frozen(eq=False)
class Monitoring:
    """What a proxy counts of itself, and what it tells."""

    counting: Counting
    metrics: Metrics

    def go_by(self, settings: Settings, at: float) -> None:
        """Count and look by these, which were taken in at that moment of the epoch."""
        priced = {m.name: m.price for m in settings.models if m.price is not None}
        self.counting.charge({n: partial(spend, price) for n, price in priced.items()})
        hedges = bool(settings.routing.hedge)
        self.counting.afterwards = self.metrics.follow if hedges else None
        self.metrics.configured = _configured(settings, at)


def _configured(settings: Settings, at: float) -> Configured:
    taken = tuple(
        (*model.budgets, *concurrency(model.throttle)) for model in settings.models
    )
    of_clients = tuple(client.budgets for client in settings.clients)
    budgets = dict.fromkeys(itertools.chain(*taken, *of_clients))
    return Configured(settings.models, taken, tuple(budgets), at)


def _line(what: Hashable) -> str:
    """The name of a throttle, or the models of whose quotas one waits for any."""
    return " ".join(map(str, what)) if isinstance(what, tuple) else str(what)
