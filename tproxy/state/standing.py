"""How budgets stand, told by the script, in the words of `core.leases`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tproxy.core.budget import Budget, Cost, Limit, Unit
from tproxy.core.leases import (
    BudgetState,
    Heard,
    LimitState,
    Room,
    Shares,
    ShareState,
    Source,
)
from tproxy.state.remote import Seen
from tproxy.state.script import Figures, Parts, Standing
from tproxy.state.shares import bound, part_of

Lesson = tuple[int, float] | None  # counted, and for how many seconds that holds


def rooms(
    budgets: Sequence[Budget], standings: Sequence[Standing], *, high: bool
) -> tuple[Room, ...]:
    """What is left under the tightest limit on each unit, for one class of clients."""
    tightest: dict[Unit, Room] = {}
    for budget, standing in zip(budgets, standings, strict=True):
        for limit, figures in zip(budget.limits, standing.limits, strict=True):
            room = left(limit, figures, budget.share, high=high)
            best = tightest.get(limit.unit)
            if best is None or room < best.left:
                tightest[limit.unit] = Room(
                    limit.unit, limit.usable, room, figures.resets_in
                )
    return tuple(tightest.values())


def headroom(
    budgets: Sequence[Budget], cost: Cost, seen: Mapping[Budget, Seen], now: float
) -> float:
    """What `cost` leaves of the tightest limit, as a part of it, as they were seen."""
    least = 1.0
    for budget in budgets:
        stood = seen.get(budget)
        for number, limit in enumerate(budget.limits):
            room = limit.usable
            if stood is not None:
                figures = stood.standing.limits[number]
                if now < stood.at + figures.resets_in:
                    room = left(limit, figures, budget.share, high=cost.high)
            least = min(least, (room - cost.of(limit.unit)) / limit.usable)
    return max(least, 0.0)


def left(
    limit: Limit,
    figures: Figures,
    share: float | None,
    amount: int = 0,
    *,
    high: bool,
) -> int:
    """What one class of clients can have, of whom one wants `amount`."""
    usable, parts = max(limit.usable - figures.more, 0), figures.parts
    room = usable - figures.taken
    if share is not None and parts is not None:
        used = parts.high if high else parts.rest
        others = parts.rest_asked if high else parts.high_asked
        room = min(room, bound(usable, share, others, amount, high=high) - used)
    return max(room, 0)


def lessons(budget: Budget, heard: Sequence[Heard]) -> list[Lesson]:
    """For each limit what the provider said of it, bounded by what was declared."""
    said = {(h.unit, h.window): h for h in heard}
    return [
        _lesson(limit, said.get((limit.unit, limit.window))) for limit in budget.limits
    ]


def state(budget: Budget, seen: Seen | None, now: float) -> BudgetState:
    """As it stood when it was last seen; as declared, if it never was."""
    if seen is None:
        limits = tuple(
            LimitState(
                *(limit, 0, limit.usable, 0.0, Source.DECLARED, 0.0),
                shares=_shares(limit, None, budget.share),
            )
            for limit in budget.limits
        )
        return BudgetState(budget.name, limits, 0, budget.max_concurrent, 0.0)
    standing, ago = seen.standing, now - seen.at
    limits = tuple(
        _state(limit, figures, standing, ago, budget.share)
        for limit, figures in zip(budget.limits, standing.limits, strict=True)
    )
    resting = max(standing.resting_for - ago, 0.0)
    return BudgetState(
        budget.name, limits, standing.under_way, budget.max_concurrent, resting
    )


def _lesson(limit: Limit, said: Heard | None) -> Lesson:
    return None if said is None else (limit.amount - max(said.left, 0), said.seconds)


def _shares(limit: Limit, parts: Parts | None, share: float | None) -> Shares | None:
    if share is None:
        return None
    said, high = parts or Parts(0, 0, 0, 0), part_of(limit.usable, share)
    return Shares(
        ShareState(high, said.high, said.high_asked),
        ShareState(limit.usable - high, said.rest, said.rest_asked),
    )


def _state(
    limit: Limit, figures: Figures, standing: Standing, ago: float, share: float | None
) -> LimitState:
    if standing.resting_for > ago:
        source, since = Source.ERROR, standing.rested_ago
    elif figures.more:
        source, since = Source.HEADER, figures.heard_ago
    elif figures.taken:
        source, since = Source.COUNTED, standing.touched_ago
    else:
        source, since = Source.DECLARED, -ago
    return LimitState(
        limit,
        figures.taken,
        max(limit.usable - figures.taken - figures.more, 0),
        max(figures.resets_in - ago, 0.0),
        source,
        since + ago,
        figures.drift,
        _shares(limit, figures.parts, share),
    )
