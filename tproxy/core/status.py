"""What a running proxy tells of itself: the document of `GET /status`.

Times are in seconds from now. Names are those of the configuration; there are no keys,
no URLs and nothing of what was asked or answered.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class ModelStatus:
    """`why` it is not available, in words, and in how long that ends, if it is known.

    `budgets` are the names of all that a request to it takes from, beside its client's.
    """

    name: str
    provider: str
    kind: str
    priority: int
    category: str | None
    available: bool
    why: str | None
    available_in: float | None
    budgets: tuple[str, ...]


@attrs.frozen
class ShareStatus:
    """See `ShareState`."""

    part: float
    used: float
    asked: float


@attrs.frozen
class SharesStatus:
    """Of clients of high priority, and of all others."""

    high: ShareStatus
    rest: ShareStatus


@attrs.frozen
class LimitStatus:
    """`unit` is requests, tokens, or usd; so are the figures. See `LimitState`.

    Of `limit`, `kept` are the account owner's: `left` is without them.
    """

    unit: str
    window: str
    limit: float
    kept: float
    used: float
    left: float
    resets_in: float
    source: str
    age: float
    drift: float
    shares: SharesStatus | None = None


@attrs.frozen
class BudgetStatus:
    """See `BudgetState`."""

    name: str
    limits: tuple[LimitStatus, ...]
    under_way: int
    max_concurrent: int | None
    resting_for: float


@attrs.frozen
class BreakerStatus:
    """See `BreakerState`."""

    model: str
    state: str
    resting_for: float
    failures: int
    openings: int


@attrs.frozen
class ClientStatus:
    """A caller, and the names of the budgets that are its own."""

    name: str
    priority: str
    budgets: tuple[str, ...]


@attrs.frozen
class QueueStatus:
    """How many requests wait in line for something."""

    name: str
    waiting: int


@attrs.frozen
class HedgingStatus:
    """Of a category since the start: requests, and those that a second was asked for.

    `won`: the second answered. `left`: how many more may be hedged now.
    """

    category: str
    requests: int
    hedged: int
    won: int
    left: int


@attrs.frozen
class LatencyStatus:
    """In how many seconds a model's answers have lately begun; None: it is not known.

    Streams with their first content, whole answers when they are there.
    """

    model: str
    stream: float | None
    whole: float | None


@attrs.frozen
class Status:
    """Budgets are as all workers and hosts count them; open breakers rest for all.

    Queues and hedging are those of all workers here, queues as of a second ago.
    `worker` is the process that answers: `uptime`, `active` (requests under way),
    failures of closed breakers and `latency` are its own. `latency` is there where
    that is the `strategy`.
    """

    version: str
    worker: int
    uptime: float
    draining: bool
    active: int
    models: tuple[ModelStatus, ...]
    budgets: tuple[BudgetStatus, ...]
    breakers: tuple[BreakerStatus, ...]
    clients: tuple[ClientStatus, ...]
    queues: tuple[QueueStatus, ...]
    hedging: tuple[HedgingStatus, ...] = ()
    strategy: str = "priority"
    latency: tuple[LatencyStatus, ...] = ()
