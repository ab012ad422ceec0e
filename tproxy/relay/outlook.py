"""The candidates as they are at this moment: whom to ask, and what else to tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import attrs

from tproxy.core import failures
from tproxy.core.catalog import DEFAULT_CATEGORY
from tproxy.core.errors import ProxyError
from tproxy.core.model import Client, Model
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Why
from tproxy.core.state import Turns
from tproxy.relay.attempt import Ports
from tproxy.relay.search import Search
from tproxy.relay.verdict import verdict

Select = Callable[[Request, Client, list[Candidate], str], Selection]


@attrs.frozen(eq=False)
class Outlook:
    """Looks at quotas, breakers and turns; changes none of them."""

    _select: Select
    _ports: Ports
    _turns: Turns

    async def selection(self, search: Search) -> Selection:
        """Who can be asked, in which order.

        Where nobody can, one whose quota is shared is asked all the same: so that it
        hears what for, and keeps that free if the client is to have it.
        """
        asked = search.asked
        if len(asked.models) == 1 and not asked.fallbacks:
            # There is nobody to prefer: what it lacks shows when it is asked.
            only = [Candidate(asked.models[0])]
            return self._select(search.request, search.client, only, _called(search))
        chosen = await self._compared(search)
        if chosen.ranked:
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
        models = (*asked.models, *asked.fallbacks)
        chosen = self._chosen(search, await self._seen(models, search.client))
        fit = tuple(c for c in chosen.ranked if not c.resting_for)
        if not (asked.fallbacks and fit):
            return chosen
        # To ask one that rests is a guess, and better than nothing only.
        guesses = [c for c in chosen.ranked if c.resting_for]
        rests = [Exclusion(c.model, Why.RESTING, "", c.resting_for) for c in guesses]
        return Selection(fit, (*chosen.excluded, *rests))

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

    async def soonest(self, search: Search) -> float:
        """Seconds until some candidate has room for this request; inf if none ever."""
        asked = search.asked
        anyone = [Candidate(model) for model in (*asked.models, *asked.fallbacks)]
        able = [c.model for c in self._chosen(search, anyone).ranked]
        if not able:
            return math.inf
        budgets, least = [model.budgets for model in able], search.client.least
        waits = await self._ports.quotas.waits(budgets, least)
        return min(
            self._wait(search, model, wait)
            for model, wait in zip(able, waits, strict=True)
        )

    def _wait(self, search: Search, model: Model, wait: float) -> float:
        """This request may have to wait for longer than the least, which can `wait`."""
        lacks_until = search.lacks_until.get(model.name)
        if lacks_until is None:
            return wait
        return max(wait, lacks_until - self._ports.clock.steady())

    async def rest(self, model: Model) -> float:
        """Seconds that its breaker lets nothing through."""
        [rest] = await self._ports.breakers.resting([model.name])
        return rest

    async def verdict(self, search: Search, selection: Selection) -> ProxyError:
        """The error for the client, with its moments as they are by now."""
        excluded, failed = search.excluded, search.failed
        models = [c.model for c in selection.ranked] + [e.model for e in excluded]
        seen = await self._seen(models, search.client)
        waits = {
            c.model.name: max(self._wait(search, c.model, c.free_in), c.resting_for)
            for c in seen
        }
        return verdict(
            search.request.model,
            [
                attrs.evolve(e, wait=waits[e.model.name])
                if e.why in (Why.QUOTA, Why.RESTING)
                else e
                for e in excluded
            ],
            [
                attrs.evolve(error, retry_after=waits[name])
                if error.failure is failures.RATE_LIMIT
                else error
                for name, error in failed.items()
            ],
        )

    async def _seen(self, models: Sequence[Model], client: Client) -> list[Candidate]:
        quotas, breakers = self._ports.quotas, self._ports.breakers
        waits = await quotas.waits([model.budgets for model in models], client.least)
        rests = await breakers.resting([model.name for model in models])
        return [
            Candidate(model, wait, rest, self._turns.last(model.name))
            for model, wait, rest in zip(models, waits, rests, strict=True)
        ]


def _called(search: Search) -> str:
    """The name that the client used, or that stands in for one."""
    called = search.request.model
    if called is not None:
        return called
    return DEFAULT_CATEGORY if search.asked.how == "category" else ""


def _is_shared(model: Model) -> bool:
    """Whether some of its quota is kept for clients by their priority."""
    return any(budget.share is not None for budget in model.budgets)
