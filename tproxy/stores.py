"""The store of quotas that the settings name."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import attrs

from tproxy.core.budget import Budget
from tproxy.core.events import Observer
from tproxy.core.leases import QuotaStore
from tproxy.core.state import Clock
from tproxy.settings import Backend, StateSettings
from tproxy.state.memory_quotas import MemoryQuotas


class StoreFailed(Exception):
    """There is no counting with this store; the message says why."""


async def _nothing(*_: object) -> None:
    """There is nothing to do."""


@attrs.frozen(eq=False)
class Store:
    """Quotas, and what has to be done before the first request and after the last.

    `start` is told all budgets there are.
    """

    quotas: QuotaStore
    start: Callable[[Sequence[Budget]], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


def opened(state: StateSettings, clock: Clock, observer: Observer) -> Store:
    """Open the store. It belongs to this process: not to be done before a fork.

    Raises:
        StoreFailed: it cannot be opened.
    """
    match state.backend:
        case Backend.MEMORY:
            return Store(MemoryQuotas(clock))
        case Backend.SQLITE:
            return _sqlite(state, clock, observer)
        case Backend.REDIS:
            return _redis(state, clock, observer)


def _sqlite(state: StateSettings, clock: Clock, observer: Observer) -> Store:
    from tproxy.state.journal import Unusable  # not for those who count elsewhere
    from tproxy.state.sqlite import SqliteQuotas

    try:
        quotas = SqliteQuotas(Path(state.path), clock, observer)
    except Unusable as error:
        raise StoreFailed(str(error)) from error

    async def close() -> None:
        quotas.close()

    return Store(quotas, close=close)


def _redis(state: StateSettings, clock: Clock, observer: Observer) -> Store:
    try:
        from tproxy.state.redis import RedisQuotas
        from tproxy.state.remote import Remote
        from tproxy.state.script import Script
        from tproxy.state.standin import OnLoss
    except ImportError as error:
        raise StoreFailed("Redis wants: pip install tproxy[redis]") from error
    node = secrets.token_hex(8)
    try:
        script = Script.at(state.url, node)
    except ValueError as error:
        raise StoreFailed(f"state.url: {error}") from error
    on_loss = OnLoss(state.on_loss)
    quotas = RedisQuotas(Remote(script, clock), clock, observer, node, on_loss)

    async def start(budgets: Sequence[Budget]) -> None:
        await quotas.start()
        await quotas.snapshot(budgets)  # so that a share is one of true figures

    async def close() -> None:
        await quotas.close()
        await script.close()

    return Store(quotas, start, close)
