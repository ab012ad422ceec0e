"""What Redis has denied, as far as it would deny it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import attrs

from tproxy.core.budget import LEAST, LEAST_HIGH, Budget, Cost
from tproxy.core.leases import CONCURRENCY, REST, Denial
from tproxy.core.state import Clock
from tproxy.state.remote import Seen
from tproxy.state.script import Reply, Standing
from tproxy.state.standing import left

_BELIEVED = 0.25  # seconds from the last word on a budget; others make room as well
_MOST_KNOWN = 10_000
_NO_PLACE, _RESTS = 0, -1  # in place of the number of a limit


@attrs.frozen
class _Denied:
    """`number` is that of the limit, `standing` how the budget stood then.

    Moments are steady. `asked` is when we did, None where that was not asked but seen.
    """

    number: int
    cost: Cost
    standing: Standing
    until: float
    asked: float | None = None


@attrs.define(eq=False)
class Denials:
    """The last denial of each budget, for each class of clients.

    It ends with its time, or by a reply that shows room for what it was about.
    """

    _seen: Mapping[Budget, Seen]
    _clock: Clock
    _known: dict[tuple[Budget, bool], _Denied] = attrs.field(factory=dict, init=False)

    def note(
        self, reply: Reply, budgets: Sequence[Budget], cost: Cost, asked: float
    ) -> Denial:
        """What `reply` denies, which was `asked` for at that steady moment."""
        wait, which, what = map(float, reply.said)
        budget, number = budgets[int(which) - 1], int(what)
        until = self._clock.steady() + wait
        stood = reply.standings[int(which) - 1]
        self._keep(budget, _Denied(number, cost, stood, until, asked))
        return Denial(budget.name, _label(budget, number), wait)

    def look(self, budgets: Sequence[Budget]) -> None:
        """Note what is full by now: until all of it is free, if nobody knows better."""
        for budget in budgets:
            seen = self._seen.get(budget)
            if seen is None:
                continue
            for least in (LEAST, LEAST_HIGH):
                if self._find(budget, least) is None:
                    full = _fullest(budget, seen, least)
                    if full is not None:
                        self._keep(budget, full)

    def wait(self, budget: Budget, cost: Cost) -> float:
        """Seconds until it fits; 0 where it may, and it is time to ask."""
        until, _ = self._believed(budget, cost)
        return max(until - self._clock.steady(), 0.0)

    def last(self, budgets: Sequence[Budget], cost: Cost) -> Denial | None:
        """What is to be waited for, where Redis cannot be asked at this moment."""
        return self._longest((each, *self._believed(each, cost)) for each in budgets)

    def answer(
        self, budgets: Sequence[Budget], cost: Cost, came: float
    ) -> Denial | None:
        """What was denied to another who asked after this one `came`: no room for both.

        None as well where it has to be heard what is asked for of a share.
        """
        found = []
        for budget in budgets:
            seen = self._seen.get(budget)
            if budget.share is not None and not _heard_enough(budget, seen, cost):
                return None
            known = self._find(budget, cost)
            if known is not None and known.asked is not None and known.asked > came:
                found.append((budget, known.until, known.number))
        return self._longest(found)

    def _believed(self, budget: Budget, cost: Cost) -> tuple[float, int]:
        """Until when it is denied, and what for."""
        seen, now = self._seen.get(budget), self._clock.steady()
        if seen is None or now - seen.at > _BELIEVED:
            return now, 0
        rest = seen.at + seen.standing.resting_for, _RESTS
        known = self._find(budget, cost)
        if known is None:
            return rest
        return max(rest, (_until(known, budget, cost, seen), known.number))

    def _longest(self, denied: Iterable[tuple[Budget, float, int]]) -> Denial | None:
        budget, until, number = max(denied, key=itemgetter(1), default=(None, 0.0, 0))
        wait = until - self._clock.steady()
        if budget is None or wait <= 0:
            return None
        return Denial(budget.name, _label(budget, number), wait)

    def _keep(self, budget: Budget, denied: _Denied) -> None:
        if len(self._known) > _MOST_KNOWN:  # reloads leave their own behind
            self._known.clear()
        self._known[budget, denied.cost.high] = denied

    def _find(self, budget: Budget, cost: Cost) -> _Denied | None:
        """What was denied, and leaves no room for `cost` either."""
        key = budget, cost.high
        known, seen = self._known.get(key), self._seen.get(budget)
        if known is None or seen is None:
            return None
        news = seen.standing is not known.standing
        if self._clock.steady() >= known.until or (
            news and _fits(known, budget, known.cost, seen.standing)
        ):
            del self._known[key]
            return None
        if _amount(known, budget, cost) < _amount(known, budget, known.cost):
            return None if _fits(known, budget, cost, seen.standing) else known
        return known


def _label(budget: Budget, number: int) -> str:
    if number > 0:
        return budget.limits[number - 1].label
    return REST if number == _RESTS else CONCURRENCY


def _amount(known: _Denied, budget: Budget, cost: Cost) -> int:
    return cost.of(budget.limits[known.number - 1].unit) if known.number > 0 else 1


def _fits(known: _Denied, budget: Budget, cost: Cost, standing: Standing) -> bool:
    """Whether what was in the way is not, for `cost`."""
    if known.number == _RESTS:
        return not standing.resting_for
    if known.number == _NO_PLACE:
        most = budget.max_concurrent
        return most is None or standing.under_way < most
    limit, figures = budget.limits[known.number - 1], standing.limits[known.number - 1]
    amount = cost.of(limit.unit)
    return amount <= left(limit, figures, budget.share, amount, high=cost.high)


def _until(known: _Denied, budget: Budget, cost: Cost, seen: Seen) -> float:
    """When `cost` fits. More than was denied is free the later, in even steps."""
    if known.number <= 0:
        return known.until
    limit = budget.limits[known.number - 1]
    denied = known.cost.of(limit.unit)
    more = cost.of(limit.unit) - denied
    if more <= 0:
        return known.until
    all_free = seen.at + seen.standing.limits[known.number - 1].resets_in
    later = max(all_free - known.until, 0.0)
    return known.until + later * min(more / (limit.usable - denied), 1.0)


def _fullest(budget: Budget, seen: Seen, least: Cost) -> _Denied | None:
    """The limit that has no room for the longest, if there is one."""
    full = [
        _Denied(number, least, seen.standing, seen.at + figures.resets_in)
        for number, figures in enumerate(seen.standing.limits, start=1)
    ]
    full = [each for each in full if not _fits(each, budget, least, seen.standing)]
    return max(full, key=lambda denied: denied.until, default=None)


def _heard_enough(budget: Budget, seen: Seen | None, cost: Cost) -> bool:
    """Whether this class has asked for all that there is, so that more says nothing."""
    if seen is None:
        return False
    asked = (
        (limit, figures.parts)
        for limit, figures in zip(budget.limits, seen.standing.limits, strict=True)
    )
    return all(
        parts is not None
        and limit.usable <= (parts.high_asked if cost.high else parts.rest_asked)
        for limit, parts in asked
    )
