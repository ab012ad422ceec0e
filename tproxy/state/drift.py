"""Warns where a provider has counted more than we, which it should not.

Then others use the account, or its limit is lower than declared. That it has counted
less means nothing: what is under way counts here at once, and many windows of providers
fill up bit by bit.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.events import Notice, Observer

_PART = 0.1  # of the limit
_LEAST = {Unit.REQUESTS: 5, Unit.TOKENS: 2_000}  # what is under way drifts by as much


@attrs.define(eq=False)
class Drifts:
    """Tells of each limit once, and again only when half of the drift was gone."""

    _observer: Observer
    _told: set[tuple[str, str]] = attrs.field(factory=set, init=False)

    def look(self, budget: Budget, drifts: Iterable[tuple[Limit, int]]) -> None:
        """Each limit of the budget, and how many more the provider has counted."""
        for limit, drift in drifts:
            name = (budget.name, limit.label)
            most = max(_PART * limit.amount, _LEAST.get(limit.unit, 0))
            if drift <= most / 2:
                self._told.discard(name)
            elif drift > most and name not in self._told:
                self._told.add(name)
                said = {"budget": budget.name, "limit": limit.label}
                figures = {"more": drift, "of": limit.amount}
                problem = "a provider counts more than we do"
                self._observer.emit(Notice("warning", problem, {**said, **figures}))
