"""How many repeats may be under way: a bound that keeps a bad hour from doubling."""

from __future__ import annotations

from collections import Counter

import attrs

_ALL = ""  # providers' names are never empty


@attrs.define(eq=False)
class RetryBudget:
    """Repeats of one candidate may be `share` of what is under way, or `floor` if more.

    Counted for each provider and for all together, as Envoy does. Walking on to another
    candidate is no repeat.
    """

    share: float = 0.2
    floor: int = 3
    _under_way: dict[str, int] = attrs.field(factory=dict, init=False)
    _repeats: Counter[str] = attrs.field(factory=Counter, init=False)

    def begin(self, provider: str) -> None:
        """A candidate is asked."""
        self._under_way[provider] = self._under_way.get(provider, 0) + 1

    def end(self, provider: str) -> None:
        """It has answered, or failed."""
        self._under_way[provider] -= 1

    def take(self, provider: str) -> bool:
        """Take a place for a repeat, waiting or under way; False: there is none."""
        under_way = self._under_way
        here, everywhere = under_way.get(provider, 0), sum(under_way.values())
        for name, count in ((provider, here), (_ALL, everywhere)):
            most = max(self.floor, self.share * count)
            if self._repeats[name] >= most:
                return False
        self._repeats.update((provider, _ALL))
        return True

    def give_back(self, provider: str) -> None:
        self._repeats.subtract((provider, _ALL))


@attrs.define(eq=False)
class Repeats:
    """The places that one request has taken; they are free again when it is over."""

    _budget: RetryBudget
    _taken: set[str] = attrs.field(factory=set, init=False)

    def take(self, provider: str) -> bool:
        """Take a place there, unless one is held already: it asks one at a time."""
        if provider in self._taken:
            return True
        taken = self._budget.take(provider)
        if taken:
            self._taken.add(provider)
        return taken

    def end(self) -> None:
        while self._taken:
            self._budget.give_back(self._taken.pop())
