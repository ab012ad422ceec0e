"""The candidates as they are at this moment: whom to ask, and what else to tell."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Sequence

import attrs

from tproxy.core import failures
from tproxy.core.budget import Budget, Cost
from tproxy.core.catalog import DEFAULT_CATEGORY
from tproxy.core.errors import ProxyError
from tproxy.core.model import Client, Model
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Why
from tproxy.core.state import Turns
from tproxy.relay.attempt import Ports
from tproxy.relay.criteria import ByLatency, Criterion, Prospect
from tproxy.relay.search import Search
from tproxy.relay.verdict import verdict

Select = Callable[[Request, Client, list[Candidate], str], Selection]
Unfit = Callable[[Request, Client, Model, str], Exclusion | None]


@attrs.frozen(eq=False)
class Outlook:
    """Looks at quotas, breakers and turns; changes none of them."""

    _select: Select
    _unfit: Unfit
    _ports: Ports
    _turns: Turns
    _cost: Callable[[Search, Model], Cost]
    criterion: Criterion | None = None  # of several; by priority without

    def alone(self, search: Search) -> Selection | None:
        """The choice, where there is nobody to prefer: what it lacks shows when asked.

        None where there is.
        """
        alone = search.asked.alone
        if alone is None:
            return None
        called = search.request.model or _called(search)
        model = alone.ranked[0].model
        exclusion = self._unfit(search.request, search.client, model, called)
        return alone if exclusion is None else Selection((), (exclusion,))

    async def selection(self, search: Search) -> Selection:
        """Of several, who can be asked, in which order.

        Where nobody can, one whose quota is shared is asked all the same: so that it
        hears what for, and keeps that free if the client is to have it.
        """
        chosen = await self._compared(search)
        if chosen.ranked:
            if isinstance(self.criterion, ByLatency):
                foremost, stream = chosen.ranked[0].model, search.request.stream
                self.criterion.tried(foremost, stream=stream)
            return chosen
        shared = [
            each
            for each in chosen.excluded
            if each.why is Why.QUOTA and _is_shared(each.model)
        ]
        if not shared:
            return chosen
        first = min(shared, key=lambda exclusion: exclusion.wait or 0.0)
        others = tuple(each for each in chosen.excluded if each is not first)
        return Selection((Candidate(first.model),), others)

    async def _compared(self, search: Search) -> Selection:
        asked = search.asked
        seen = await self._seen((*asked.models, *asked.fallbacks), search)
        if self.criterion is not None:
            seen = await self._figured(self.criterion, seen, search)
        chosen = self._chosen(search, seen)
        fit = tuple(c for c in chosen.ranked if not c.resting_for)
        if not (asked.fallbacks and fit):
            return chosen
        # To ask one that rests is a guess, and better than nothing only.
        guesses = [c for c in chosen.ranked if c.resting_for]
        rests = [Exclusion(c.model, Why.RESTING, "", c.resting_for) for c in guesses]
        return Selection(fit, (*chosen.excluded, *rests))

    async def _figured(
        self, criterion: Criterion, seen: list[Candidate], search: Search
    ) -> list[Candidate]:
        """The same, each with what they are compared by."""
        request, expected = search.request, self._ports.answers.expected
        prompt, models = request.prompt_tokens, [c.model for c in seen]
        prospects = [
            Prospect(m, prompt, expected(request, m), self._cost(search, m))
            for m in models
        ]
        figures = await criterion.figures(prospects, stream=request.stream)
        seen = list(map(Candidate.figured, seen, figures))
        search.figures = {c.model.name: c.figure for c in seen}
        return seen

    def why(self, search: Search, model: Model) -> str:
        """What `model` was chosen for; nothing, where that was its priority."""
        figure = search.figures.get(model.name)
        if self.criterion is None or figure is None:
            return ""
        return self.criterion.said(model, figure)

    def _chosen(self, search: Search, seen: list[Candidate]) -> Selection:
        """Of `seen`, those that are asked for, and then those that stand in for them.

        Who may not call a model by its name gets none in its stead either.
        """
        request, client, many = search.request, search.client, len(search.asked.models)
        first = self._select(request, client, seen[:many], _called(search))
        forbidden = any(e.why is Why.NOT_ALLOWED for e in first.excluded)
        if len(seen) == many or forbidden:
            return first
        then = self._select(request, client, seen[many:], "")
        return Selection(first.ranked + then.ranked, first.excluded + then.excluded)

    def line(self, search: Search) -> tuple[str, ...]:
        """The name of the line to wait in, of all that wait for the same.

        What is shared between classes of clients, each class waits for by itself.
        """
        models = search.asked.models
        high = search.client.least.high and any(map(_is_shared, models))
        return ("quota", *(["high"] if high else []), *(model.name for model in models))

    async def soonest(
        self, search: Search, ahead: int = 0, within: float = 0.0
    ) -> float:
        """Seconds until some candidate can take this request; inf if none ever can.

        `ahead` such as this one have their turn before, at all candidates alike; who
        has not `within` so many seconds from the first leaves.
        """
        asked = search.asked
        idle = [Candidate(model) for model in (*asked.models, *asked.fallbacks)]
        able = [candidate.model for candidate in self._chosen(search, idle).ranked]
        crowd = math.ceil(ahead / max(len(able), 1))
        busy, wants = [], []
        for model in able:
            cost = self._cost(search, model)
            seconds, before = kept_busy(model.budgets, cost, crowd, within)
            busy.append(seconds)
            wants.append((model.budgets, cost.times(before + 1)))
        waits = await self._ports.quotas.waits(wants)
        rests = await self._ports.breakers.resting([model.name for model in able])
        moments = map(operator.add, busy, waits)
        return min(map(max, moments, rests), default=math.inf)

    def settled(self, search: Search) -> bool:
        """Whether all that others have taken, they keep: requests, and no estimates."""
        models = (*search.asked.models, *search.asked.fallbacks)
        costs = [self._cost(search, model) for model in models]
        return not any(cost.tokens or cost.spend for cost in costs)

    async def rest(self, model: Model) -> float:
        """Seconds that its breaker lets nothing through."""
        [rest] = await self._ports.breakers.resting([model.name])
        return rest

    async def verdict(self, search: Search, selection: Selection) -> ProxyError:
        """The error for the client, with its moments as they are by now."""
        excluded, failed = search.excluded, search.failed
        models = [c.model for c in selection.ranked] + [e.model for e in excluded]
        seen = await self._seen(models, search)
        spent = {c.model for c in seen if 0 < c.free_in < math.inf}
        moments = {c.model.name: max(c.free_in, c.resting_for) for c in seen}
        waits = {name: wait for name, wait in moments.items() if wait < math.inf}
        return verdict(
            search.request.model,
            [
                attrs.evolve(e, wait=waits.get(e.model.name, e.wait))
                if e.why in (Why.QUOTA, Why.RESTING)
                else e
                for e in (_spent(e, spent) for e in excluded)
            ],
            [
                attrs.evolve(error, retry_after=waits.get(name, error.retry_after))
                if error.failure is failures.RATE_LIMIT
                else error
                for name, error in failed.items()
            ],
            await self._own(models, search),
        )

    async def _own(self, models: Sequence[Model], search: Search) -> float:
        """Seconds until the client's own limits have room, if nothing is taken yet."""
        budgets = search.client.budgets
        if search.fare is not None or not budgets:
            return 0.0
        wants = [(budgets, self._cost(search, model)) for model in models]
        waits = await self._ports.quotas.waits(wants)
        return min((wait for wait in waits if wait < math.inf), default=0.0)

    async def _seen(self, models: Sequence[Model], search: Search) -> list[Candidate]:
        quotas, breakers = self._ports.quotas, self._ports.breakers
        wants = [(model.budgets, self._cost(search, model)) for model in models]
        waits = await quotas.waits(wants)
        rests = await breakers.resting([model.name for model in models])
        return [
            Candidate(model, wait, rest, self._turns.last(model.name))
            for model, wait, rest in zip(models, waits, rests, strict=True)
        ]


def _spent(exclusion: Exclusion, spent: Collection[Model]) -> Exclusion:
    """As it is by now: who queues in vain learns nothing of the quotas behind that."""
    if exclusion.why is Why.BUSY and exclusion.model in spent:
        return attrs.evolve(exclusion, why=Why.QUOTA)
    return exclusion


def kept_busy(
    budgets: Sequence[Budget], cost: Cost, ahead: int, within: float
) -> tuple[float, int]:
    """For how many seconds `ahead` requests of that cost take all that is to be had.

    Beside it, how many of them are left to fit into the windows after that. Whoever
    finds no room `within` so many seconds from the first takes nothing.
    """
    fits = [
        (limit.window.seconds, limit.usable // max(cost.of(limit.unit), 1))
        for budget in budgets
        for limit in budget.limits
    ]
    for seconds, fit in fits:
        ahead = min(ahead, fit * (1 + int(within // seconds)))
    busy, left, room = 0.0, ahead, ahead
    for seconds, fit in fits:
        if not fit:
            return 0.0, 0
        windows, rest = divmod(ahead, fit)
        room = min(room, fit - 1)
        if windows * seconds > busy:
            busy, left = windows * seconds, rest
    return busy, min(left, room)


def _called(search: Search) -> str:
    """The name that the client used, or that stands in for one."""
    called = search.request.model
    if called is not None:
        return called
    return DEFAULT_CATEGORY if search.asked.how == "category" else ""


def _is_shared(model: Model) -> bool:
    """Whether some of its quota is kept for clients by their priority."""
    return any(budget.share is not None for budget in model.budgets)
