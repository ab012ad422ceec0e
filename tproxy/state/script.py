"""The one script that Redis or Valkey runs for us, and what is said to it and by it."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import struct
from collections.abc import Sequence
from importlib import resources
from itertools import starmap
from typing import Any

import attrs
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as TookTooLong

from tproxy.core.budget import Budget, Cost, Limit, Outcome
from tproxy.core.windows import DAY, Kind, bounds
from tproxy.state.patience import within

CALL_SECONDS = 0.05  # all that a call may take, connecting included
_STUCK = 20  # times that; redis-py's own limits, which know of no busy loop
_CONNECTIONS = 50
_PREFIX = "{tproxy}:4:"  # one hash tag, so one slot of a cluster; and the format
_KINDS = {Kind.ROLLING: 0.0, Kind.FIRST_USE: 1.0}  # all others are fixed

_PARTS = (
    *("asking.lua", "taking.lua", "counting.lua", "first_use.lua"),
    *("rests.lua", "shares.lua", "books.lua", "leases.lua", "ledger.lua"),
)
_LUA = "\n".join(
    (resources.files("tproxy.state") / part).read_text("utf-8") for part in _PARTS
)
_SHA = hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()

_encode = json.JSONEncoder(separators=(",", ":")).encode
_budget, _limit = struct.Struct("<3d").pack, struct.Struct("<7d").pack
_NUMBER = struct.Struct("<d")
_LATEST = 1e11  # seconds since the epoch
_PLAIN, _SHARED = 5, 9  # figures of a limit
_SENSELESS = (ValueError, TypeError, LookupError, OverflowError, struct.error)


class Lost(Exception):
    """Redis did not answer in time, or with something else than an answer."""


class Silent(Lost):
    """It did not answer at all."""


class Busy(Lost):
    """It was not asked: it answers, but we have more to ask than it can answer."""


@attrs.frozen
class Parts:
    """Of a limit that is shared: what each class has taken, and lately asked for."""

    high: int
    high_asked: int
    rest: int
    rest_asked: int


@attrs.frozen
class Figures:
    """One limit, as the script tells of it; seconds from the moment of the reply."""

    taken: int
    more: int  # that the provider counts
    resets_in: float
    heard_ago: float
    drift: int
    parts: Parts | None = None


@attrs.frozen
class Standing:
    """One budget, as the script tells of it."""

    resting_for: float
    rested_ago: float
    under_way: int
    touched_ago: float
    limits: tuple[Figures, ...]


@attrs.frozen
class Reply:
    """`what` and `said` are the outcome; the rest is how things stand after it."""

    what: str
    said: tuple[str, ...]
    now: float = 0.0  # by the server's clock
    epoch: str = ""
    nodes: int = 0
    standings: tuple[Standing, ...] = ()


@attrs.frozen(eq=False)
class Script:
    """Calls Redis in the name of a node. Every call ends within `patience` seconds."""

    _redis: Redis
    _node: str
    patience: float

    @classmethod
    def at(cls, url: str, node: str, patience: float = CALL_SECONDS) -> Script:
        """Raises ValueError where that is no URL of a Redis server."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_STUCK * patience,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_STUCK * patience,
            socket_timeout=_STUCK * patience,
            protocol=2,
        )
        return cls(Redis(connection_pool=pool), node, patience)

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def call(
        self,
        what: str,
        budgets: Sequence[Budget],
        said: Sequence[bytes],
        **ask: object,
    ) -> Reply:
        """`said` is what `budget_ask` makes of each budget.

        Raises:
            Lost: nobody knows whether it was done.
        """
        keys = [f"{_PREFIX}epoch", f"{_PREFIX}nodes"]
        keys += [f"{_PREFIX}budget:{budget.name}" for budget in budgets]
        text = _encode({"what": what, "node": self._node, **ask})
        try:
            async with within(self.patience):
                answer = await self._run(keys, text, *said)
            return _checked(_read(answer, budgets), budgets)
        except (NotConnected, TookTooLong, OSError, TimeoutError) as error:
            raise Silent(str(error) or type(error).__name__) from error
        except RedisError as error:
            raise Lost(str(error)) from error
        except _SENSELESS as error:
            raise Lost(f"its answer makes no sense: {error!r}") from error

    async def _run(self, keys: Sequence[str], *said: str | bytes) -> Any:
        # redis-py takes bytes as well, but does not say so.
        words: tuple[Any, ...] = (*keys, *said)
        try:
            return await self._redis.evalsha(_SHA, len(keys), *words)
        except NoScriptError:  # new, or a server that was restarted or flushed
            return await self._redis.eval(_LUA, len(keys), *words)


def budget_ask(
    budget: Budget,
    cost: Cost,
    now: float,
    outcome: Outcome | None = None,
) -> bytes:
    """What the script has to know of a budget, at `now` by the server's clock.

    Of an outcome that the budget does not count, nothing is taken.
    """
    if outcome is not None and outcome not in budget.counts:
        cost = _NOTHING
    head, keys = _known(budget)
    return head + b"".join(
        key + _limit_ask(limit, cost.of(limit.unit), now)
        for key, limit in zip(keys, budget.limits, strict=True)
    )


_NOTHING = Cost(0)


@functools.lru_cache(10_000)
def _known(budget: Budget) -> tuple[bytes, tuple[bytes, ...]]:
    """What is always said of it."""
    longest = max((limit.window.seconds for limit in budget.limits), default=0.0)
    most, share = budget.max_concurrent, budget.share
    head = _budget(
        int(2 * longest + 2 * DAY),
        -1 if most is None else most,
        -1 if share is None else share,
    )
    names = (f"{limit.window.key}|{limit.unit.value}\0" for limit in budget.limits)
    return head, tuple(name.encode() for name in names)


def _limit_ask(limit: Limit, amount: int, now: float) -> bytes:
    window, kind = limit.window, _KINDS.get(limit.window.kind)
    if kind is not None:
        return _limit(limit.usable, amount, kind, window.seconds, 0, 0, 0)
    start, end = bounds(window, now)
    last = bounds(window, end)[1]
    return _limit(limit.usable, amount, 2, window.seconds, start, end, last)


def _read(answer: Any, budgets: Sequence[Budget]) -> Reply:
    """Raises ValueError, TypeError or LookupError where it is not the script's."""
    result, *rest = answer
    what, *said = (
        word.decode() if isinstance(word, bytes) else str(word) for word in result
    )
    if not rest:
        return Reply(what, tuple(said))
    moment, epoch, nodes, *standings = rest[0]
    [now] = _numbers(moment)
    return Reply(
        what,
        tuple(said),
        _moment(now),
        str(epoch, "utf-8"),
        int(nodes),
        tuple(starmap(_standing, zip(budgets, standings, strict=True))),
    )


def _checked(reply: Reply, budgets: Sequence[Budget]) -> Reply:
    """Raises ValueError or LookupError where it answers another question."""
    if reply.what == "again":
        _moment(float(reply.said[0]))
        return reply
    if reply.what == "forgotten":
        str(reply.said[0])
        return reply
    told = [len(standing.limits) for standing in reply.standings]
    if not reply.epoch or told != [len(budget.limits) for budget in budgets]:
        raise ValueError("about something else")
    if reply.what == "settled":
        unknown = map(int, reply.said)
        if not all(1 <= which <= len(told) for which in unknown):
            raise ValueError("of nothing")
    if reply.what == "denied":
        wait, which, index = map(float, reply.said)
        if not 1 <= which <= len(told) or not -1 <= index <= told[int(which) - 1]:
            raise ValueError("for no reason")
        if not wait > 0:
            raise ValueError("for no time")
    return reply


def _standing(budget: Budget, told: bytes) -> Standing:
    resting, rested, under_way, touched, *figures = _numbers(told)
    each = _PLAIN if budget.share is None else _SHARED
    limits = (figures[at : at + each] for at in range(0, len(figures), each))
    return Standing(
        resting,
        rested,
        int(under_way),
        touched,
        tuple(starmap(_limit_told, limits)),
    )


def _numbers(packed: bytes) -> list[float]:
    numbers = [number for (number,) in _NUMBER.iter_unpack(packed)]
    if not all(map(math.isfinite, numbers)):
        raise ValueError("no numbers")
    return numbers


def _moment(number: float) -> float:
    if not 0 <= number < _LATEST:
        raise ValueError("at no time")
    return number


def _limit_told(
    taken: float,
    more: float,
    resets_in: float,
    heard_ago: float,
    drift: float,
    *parts: float,
) -> Figures:
    shared = Parts(*map(int, parts)) if parts else None
    return Figures(int(taken), int(more), resets_in, heard_ago, int(drift), shared)
