"""`GET /status`: models, what is left of their budgets, and their health."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence

import attrs

from tproxy import __version__
from tproxy.core.budget import LEAST, Budget, Unit
from tproxy.core.leases import BudgetState, LimitState, ShareState
from tproxy.core.model import Client, Model
from tproxy.core.selection import Why
from tproxy.core.status import (
    BreakerStatus,
    BudgetStatus,
    ClientStatus,
    HedgingStatus,
    LatencyStatus,
    LimitStatus,
    ModelStatus,
    QueueStatus,
    SharesStatus,
    ShareStatus,
    Status,
)
from tproxy.core.strategy import By
from tproxy.relay.cost import concurrency
from tproxy.web.operators import OperatorHandler


class StatusHandler(OperatorHandler):
    """Operators see all; any other client the models that it may call, and itself."""

    async def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(attrs.asdict(await self._status()), allow_nan=False))

    head = get

    async def _status(self) -> Status:
        context = self.context
        models, clients = self._shown()
        taken = {model.name: _budgets(model) for model in models}
        of_clients = [budget for client in clients for budget in client.budgets]
        budgets = [budget for each in taken.values() for budget in each] + of_clients
        # First, since it also brings what the waits below go by.
        states = await context.quotas.snapshot(tuple(dict.fromkeys(budgets)))
        names = [model.name for model in models]
        client = None if self.is_operator else self.client
        least = LEAST if client is None else client.least
        waits = await context.quotas.waits([(each, least) for each in taken.values()])
        breakers = await context.breakers.states(names)
        return Status(
            version=__version__,
            worker=os.getpid(),
            uptime=_rounded(context.clock.steady() - context.started),
            draining=context.draining,
            active=len(context.active),
            models=tuple(
                _model(model, taken[model.name], wait, breaker.resting_for)
                for model, wait, breaker in zip(models, waits, breakers, strict=True)
            ),
            budgets=tuple(_budget(state) for state in states),
            breakers=tuple(
                BreakerStatus(
                    name,
                    breaker.state.value,
                    _rounded(breaker.resting_for),
                    breaker.failures,
                    breaker.openings,
                )
                for name, breaker in zip(names, breakers, strict=True)
            ),
            clients=tuple(
                ClientStatus(client.name, client.priority.value, _names(client.budgets))
                for client in clients
            ),
            queues=await self._queues(),
            hedging=await self._hedging(),
            strategy=self.snapshot.relay.routing.by.value,
            latency=self._latency(),
        )

    def _shown(self) -> tuple[Sequence[Model], Sequence[Client]]:
        models, client = self.snapshot.catalog.models, self.client
        if self.is_operator or client is None:
            return models, self.snapshot.clients
        return [m for m in models if client.may_call(m.name, *_words(m))], [client]

    async def _queues(self) -> tuple[QueueStatus, ...]:
        return await self.context.figures.queues() if self.is_operator else ()

    async def _hedging(self) -> tuple[HedgingStatus, ...]:
        if not self.is_operator:
            return ()
        hedged = self.snapshot.relay.routing.hedge
        all_there_was = await self.context.figures.hedging()
        return tuple(each for each in all_there_was if each.category in hedged)

    def _latency(self) -> tuple[LatencyStatus, ...]:
        relay = self.snapshot.relay
        if relay.routing.by is not By.LATENCY or not self.is_operator:
            return ()
        now, paces = self.context.clock.steady(), relay.ports.paces
        known = {
            name: [paces.of(name, stream=each).lately(now) for each in (True, False)]
            for name in (model.name for model in relay.catalog.models)
        }
        return tuple(LatencyStatus(n, *both) for n, both in known.items() if any(both))


def _words(model: Model) -> tuple[str, ...]:
    """What else a client may call it by."""
    return (*model.aliases, *((model.category,) if model.category else ()))


def _budgets(model: Model) -> tuple[Budget, ...]:
    return (*model.budgets, *concurrency(model.throttle))


def _names(budgets: Sequence[Budget]) -> tuple[str, ...]:
    return tuple(budget.name for budget in budgets)


def _model(
    model: Model, budgets: Sequence[Budget], wait: float, rest: float
) -> ModelStatus:
    why, until = None, max(wait, rest)
    if model.obstacle is not None:
        why, until = model.obstacle, math.inf
    elif until > 0:
        why = Why.RESTING.value if rest >= wait else Why.QUOTA.value
    return ModelStatus(
        name=model.name,
        provider=model.provider,
        kind=model.kind.value,
        priority=model.priority,
        category=model.category,
        available=why is None,
        why=why,
        available_in=_rounded(until) if until < math.inf else None,
        budgets=_names(budgets),
    )


def _budget(state: BudgetState) -> BudgetStatus:
    return BudgetStatus(
        state.name,
        tuple(_limit(limit) for limit in state.limits),
        state.under_way,
        state.max_concurrent,
        _rounded(state.resting_for),
    )


def _limit(state: LimitState) -> LimitStatus:
    limit = state.limit
    in_dollars = limit.unit is Unit.SPEND

    def figure(counted: int) -> float:
        return counted / 1e9 if in_dollars else counted

    def share(state: ShareState) -> ShareStatus:
        return ShareStatus(figure(state.part), figure(state.used), figure(state.asked))

    shares = state.shares
    return LimitStatus(
        unit="usd" if in_dollars else limit.unit.value,
        window=limit.window.label,
        limit=figure(limit.amount),
        kept=figure(limit.kept),
        used=figure(state.used),
        left=figure(state.left),
        resets_in=_rounded(state.resets_in),
        source=state.source.value,
        age=_rounded(state.age),
        drift=figure(state.drift),
        shares=None
        if shares is None
        else SharesStatus(share(shares.high), share(shares.rest)),
    )


def _rounded(seconds: float) -> float:
    """To milliseconds; what ends only later than that has not ended."""
    return math.ceil(seconds * 1_000) / 1_000
