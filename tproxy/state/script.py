"""The one script that Redis or Valkey runs for us, and what is said to it and by it."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import attrs
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from tproxy.core.budget import Budget, Cost, Limit, Outcome
from tproxy.core.windows import DAY, bounds

CALL_SECONDS = 0.05  # all that a call may take, connecting included
_CONNECTIONS = 50
_MILLION = 1_000_000
_PREFIX = "{tproxy}:1:"  # one hash tag, so one slot of a cluster; and the format

_LUA = "\n".join(
    (resources.files("tproxy.state") / part).read_text("utf-8")
    for part in ("counting.lua", "rests.lua", "ledger.lua")
)
_SHA = hashlib.sha1(_LUA.encode(), usedforsecurity=False).hexdigest()

_encode = json.JSONEncoder(separators=(",", ":")).encode


class Lost(Exception):
    """Redis did not answer in time, or with something else than an answer."""


@attrs.frozen
class Figures:
    """One limit, as the script tells of it; seconds from the moment of the reply."""

    taken: int
    more: int  # that the provider counts
    resets_in: float
    heard_ago: float
    drift: int


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
            timeout=patience,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=patience,
            socket_timeout=patience,
            protocol=2,
            decode_responses=True,
        )
        return cls(Redis(connection_pool=pool), node, patience)

    async def close(self) -> None:
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    async def call(
        self,
        what: str,
        budgets: Sequence[Budget],
        said: Sequence[object],
        **ask: object,
    ) -> Reply:
        """`said` is what `budget_ask` makes of each budget.

        Raises:
            Lost: nobody knows whether it was done.
        """
        keys = [_PREFIX + "epoch", _PREFIX + "nodes"]
        for budget in budgets:
            keys += (f"{_PREFIX}budget:{budget.name}", f"{_PREFIX}leases:{budget.name}")
        text = _encode({"what": what, "node": self._node, "budgets": said, **ask})
        try:
            async with asyncio.timeout(self.patience):
                return _checked(_read(await self._run(keys, text)), budgets)
        except (RedisError, OSError, TimeoutError) as error:
            raise Lost(str(error) or type(error).__name__) from error
        except (ValueError, TypeError, LookupError) as error:
            raise Lost(f"its answer makes no sense: {error!r}") from error

    async def _run(self, keys: Sequence[str], text: str) -> Any:
        try:
            return await self._redis.evalsha(_SHA, len(keys), *keys, text)
        except NoScriptError:  # new, or a server that was restarted or flushed
            return await self._redis.eval(_LUA, len(keys), *keys, text)


def budget_ask(
    budget: Budget,
    cost: Cost,
    now: float,
    outcome: Outcome | None = None,
) -> dict[str, object]:
    """What the script has to know of a budget, at `now` by the server's clock.

    Of an outcome that the budget does not count, nothing is taken.
    """
    counts = outcome is None or outcome in budget.counts
    limits = [
        _limit_ask(limit, cost if counts else _NOTHING, now) for limit in budget.limits
    ]
    longest = max((limit.window.seconds for limit in budget.limits), default=0.0)
    said: dict[str, object] = {"limits": limits, "keep": int(2 * longest + 2 * DAY)}
    if budget.max_concurrent is not None:
        said["most"] = budget.max_concurrent
    return said


_NOTHING = Cost(0)


def _limit_ask(limit: Limit, cost: Cost, now: float) -> Mapping[str, object]:
    said: dict[str, object] = {
        "key": f"{limit.window.key}|{limit.unit.value}",
        "usable": limit.usable,
        "amount": cost.of(limit.unit),
    }
    if limit.window.kind.fixed:
        start, end = bounds(limit.window, now)
        said["bounds"] = (start, end, bounds(limit.window, end)[1])
    return said


def _read(answer: Any) -> Reply:
    """Raises ValueError, TypeError or LookupError where it is not the script's."""
    [what, *said], *rest = answer
    if not rest:
        return Reply(what, tuple(map(str, said)))
    now, epoch, nodes, *standings = rest[0]
    return Reply(
        what,
        tuple(map(str, said)),
        float(now),
        epoch,
        int(nodes),
        tuple(_standing(*figures) for figures in standings),
    )


def _checked(reply: Reply, budgets: Sequence[Budget]) -> Reply:
    """Raises ValueError or LookupError where it answers another question."""
    if reply.what == "again":
        float(reply.said[0])
        return reply
    if reply.what == "forgotten":
        str(reply.said[0])
        return reply
    told = [len(standing.limits) for standing in reply.standings]
    if not reply.epoch or told != [len(budget.limits) for budget in budgets]:
        raise ValueError("about something else")
    if reply.what == "denied":
        _, which, index = map(float, reply.said)
        if not 1 <= which <= len(told) or not -1 <= index <= told[int(which) - 1]:
            raise ValueError("for no reason")
    return reply


def _standing(
    resting: int, rested: int, under_way: int, touched: int, *figures: int
) -> Standing:
    return Standing(
        resting / _MILLION,
        rested / _MILLION,
        under_way,
        touched / _MILLION,
        tuple(
            Figures(taken, more, resets / _MILLION, heard / _MILLION, drift)
            for taken, more, resets, heard, drift in zip(
                *(figures[i::5] for i in range(5)), strict=True
            )
        ),
    )
