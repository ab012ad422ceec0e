"""The store that the settings name: quotas, and what else processes share there."""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import attrs

from tproxy.core.budget import Budget
from tproxy.core.events import Observer
from tproxy.core.leases import QuotaStore
from tproxy.core.state import Breakers, Clock, Starts
from tproxy.settings import Backend, StateSettings
from tproxy.state.board import Board, Link
from tproxy.state.drift import Drifts
from tproxy.state.memory import MemoryBreakers, MemoryStarts
from tproxy.state.memory_quotas import MemoryQuotas
from tproxy.state.shared import SharedBreakers, SharedStarts, Sharing

Shared = Callable[[Board], Sharing]


class StoreFailed(Exception):
    """There is no counting with this store; the message says why."""


async def _nothing(*_: object) -> None:
    """There is nothing to do."""


def _always_up() -> Mapping[str, bool]:
    return {"quotas": True}


@attrs.frozen(eq=False)
class Store:
    """What is remembered, and what has to be done before the first request and after.

    `start` is told all budgets there are. `up` tells of each part whether it answers.
    """

    quotas: QuotaStore
    breakers: Breakers
    starts: Starts
    start: Callable[[Sequence[Budget]], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing
    up: Callable[[], Mapping[str, bool]] = _always_up


def opened(
    state: StateSettings,
    clock: Clock,
    observer: Observer,
    chance: Callable[[], float] = random.random,
    processes: int = 1,
) -> Store:
    """Open the store. It belongs to this process: not to be done before a fork.

    So many `processes` of this host are about to share it.

    Raises:
        StoreFailed: it cannot be opened.
    """

    def shared(board: Board) -> Sharing:
        link = Link(board, observer)
        breakers = SharedBreakers(clock, chance=chance, link=link)
        return Sharing(
            link, breakers, SharedStarts(link, MemoryStarts(clock), processes)
        )

    match state.backend:
        case Backend.MEMORY:
            breakers = MemoryBreakers(clock, chance=chance)
            quotas = MemoryQuotas(clock, Drifts(observer))
            return Store(quotas, breakers, MemoryStarts(clock))
        case Backend.SQLITE:
            return _sqlite(state, clock, observer, shared)
        case Backend.REDIS:
            return _redis(state, clock, observer, shared)


def _sqlite(
    state: StateSettings, clock: Clock, observer: Observer, shared: Shared
) -> Store:
    # Not for those who count elsewhere.
    from tproxy.state.board_sqlite import SqliteBoard
    from tproxy.state.journal import Unusable
    from tproxy.state.sqlite import SqliteQuotas

    path = Path(state.path)
    try:
        quotas = SqliteQuotas(path, clock, observer)
    except Unusable as error:
        raise StoreFailed(str(error)) from error
    beside = path.with_name(f"{path.stem}-shared{path.suffix}")
    sharing = shared(SqliteBoard(beside, clock))

    async def start(_: Sequence[Budget]) -> None:
        await sharing.start()

    async def close() -> None:
        await sharing.close()
        quotas.close()

    def up() -> Mapping[str, bool]:
        return {"quotas": not quotas.away, "shared": not sharing.link.away}

    return Store(quotas, sharing.breakers, sharing.starts, start, close, up)


def _redis(
    state: StateSettings, clock: Clock, observer: Observer, shared: Shared
) -> Store:
    try:
        from tproxy.state.board_redis import RedisBoard
        from tproxy.state.patience import Silence
        from tproxy.state.redis import RedisQuotas
        from tproxy.state.remote import Remote
        from tproxy.state.script import Script
        from tproxy.state.standin import OnLoss
    except ImportError as error:
        raise StoreFailed("Redis wants: pip install tproxy[redis]") from error
    node, silence = secrets.token_hex(8), Silence()
    try:
        script = Script.at(state.url, node)
        board = RedisBoard.at(state.url, silence=silence)
    except ValueError as error:
        raise StoreFailed(f"state.url: {error}") from error
    on_loss = OnLoss(state.on_loss)
    remote = Remote(script, clock, silence=silence)
    quotas = RedisQuotas(remote, clock, observer, node, on_loss)
    sharing = shared(board)

    async def start(budgets: Sequence[Budget]) -> None:
        await quotas.start()
        await quotas.snapshot(budgets)  # so that a share is one of true figures
        await sharing.start()

    async def close() -> None:
        await sharing.close()
        await quotas.close()
        await script.close()

    def up() -> Mapping[str, bool]:
        return {"quotas": not quotas.away, "shared": not sharing.link.away}

    return Store(quotas, sharing.breakers, sharing.starts, start, close, up)
