"""What candidates are compared by, where that is not priority: a figure for each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import attrs

from tproxy.core.budget import Cost
from tproxy.core.leases import QuotaStore
from tproxy.core.model import Model
from tproxy.core.pace import Pace, Paces
from tproxy.core.state import Clock
from tproxy.core.strategy import By
from tproxy.relay.cost import spend

_BILLION = 1e9


@attrs.frozen
class Prospect:
    """What it would take to ask one model: tokens, as expected, and of its quotas."""

    model: Model
    prompt: int
    completion: int
    cost: Cost


class Criterion(Protocol):
    """Gives each candidate a figure, of which the least is the best."""

    async def figures(
        self, prospects: Sequence[Prospect], *, stream: bool
    ) -> Iterable[float]: ...

    def said(self, model: Model, figure: float) -> str:
        """Why it is where it is, in a few words for the client."""
        ...


@attrs.frozen
class ByCost:
    """Expected dollars, in billionths. Whose price is not known comes last."""

    async def figures(
        self, prospects: Sequence[Prospect], *, stream: bool
    ) -> Iterable[float]:
        return [
            math.inf
            if each.model.price is None
            else spend(each.model.price, each.prompt, each.completion)
            for each in prospects
        ]

    def said(self, model: Model, figure: float) -> str:
        if math.isinf(figure):
            return "cost not known"
        if not figure:
            return "cost $0"
        dollars = figure / _BILLION
        digits = max(1 - math.floor(math.log10(dollars)), 2)  # two that are not 0
        return f"cost about ${dollars:.{digits}f}"


@attrs.frozen(eq=False)
class ByLatency:
    """Seconds in which answers have lately begun; see `Pace.figure`."""

    _paces: Paces
    _clock: Clock

    async def figures(
        self, prospects: Sequence[Prospect], *, stream: bool
    ) -> Iterable[float]:
        now = self._clock.steady()
        return [self._of(each.model, stream).figure(now) for each in prospects]

    def said(self, model: Model, figure: float) -> str:
        if math.isinf(figure):
            return "latency not known"
        return f"latency about {figure:.3g} s"

    def tried(self, model: Model, *, stream: bool) -> None:
        """It is asked first, so nobody else need find out."""
        self._of(model, stream).tried(self._clock.steady())

    def began(self, model: Model, since: float, *, stream: bool) -> None:
        """An answer has, asked for at the steady moment `since`."""
        now = self._clock.steady()
        self._of(model, stream).began(now - since, now)

    def waited(self, model: Model, since: float, *, stream: bool) -> None:
        """It has not, and will not."""
        now = self._clock.steady()
        self._of(model, stream).waited(now - since, now)

    def _of(self, model: Model, stream: bool) -> Pace:
        return self._paces.of(model.name, stream=stream)


@attrs.frozen(eq=False)
class ByHeadroom:
    """What is left of the tightest limit, as a part of it, below 0."""

    _quotas: QuotaStore

    async def figures(
        self, prospects: Sequence[Prospect], *, stream: bool
    ) -> Iterable[float]:
        wants = [(each.model.budgets, each.cost) for each in prospects]
        return [-left for left in await self._quotas.headroom(wants)]

    def said(self, model: Model, figure: float) -> str:
        return f"headroom {-figure:.0%}"


@attrs.frozen(eq=False)
class ByWeight:
    """Exponential variates: of each the chance to be least is as its weight.

    Of those that are left, again: so the whole order is drawn without replacement
    (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006).
    """

    _chance: Callable[[], float]  # in [0, 1)

    async def figures(
        self, prospects: Sequence[Prospect], *, stream: bool
    ) -> Iterable[float]:
        chance = self._chance
        return [-math.log(1.0 - chance()) / each.model.weight for each in prospects]

    def said(self, model: Model, figure: float) -> str:
        return f"weight {model.weight:.7g}"


def criterion(
    by: By,
    quotas: QuotaStore,
    paces: Paces,
    clock: Clock,
    chance: Callable[[], float],
) -> Criterion | None:
    """None for priority, for which nothing has to be known."""
    match by:
        case By.COST:
            return ByCost()
        case By.LATENCY:
            return ByLatency(paces, clock)
        case By.HEADROOM:
            return ByHeadroom(quotas)
        case By.WEIGHTED:
            return ByWeight(chance)
    return None
