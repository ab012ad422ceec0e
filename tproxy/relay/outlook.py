"""The candidates as they are at this moment: whom to ask, and what else to tell."""

from __future__ import annotations

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
        request, client, asked = search.request, search.client, search.asked
        called = _called(search)
        seen = await self._seen(asked.models, client)
        first = self._select(request, client, seen, called)
        if not asked.fallbacks:
            return first
        seen = await self._seen(asked.fallbacks, client)
        then = self._select(request, client, seen, called)
        ranked, excluded = first.ranked + then.ranked, first.excluded + then.excluded
        fit = tuple(c for c in ranked if not c.resting_for)
        if not fit:
            return Selection(ranked, excluded)
        # To ask one that rests is a guess, and better than nothing only.
        guesses = [c for c in ranked if c.resting_for]
        rests = [Exclusion(c.model, Why.RESTING, "", c.resting_for) for c in guesses]
        return Selection(fit, (*excluded, *rests))

    def line(self, search: Search) -> tuple[str, ...]:
        """The name of the line to wait in, of all that wait for the same.

        What is shared between classes of clients, each class waits for by itself.
        """
        models = search.asked.models
        high = search.client.least.high and any(map(_is_shared, models))
        return ("quota", *(["high"] if high else []), *(model.name for model in models))

    async def soonest(self, search: Search) -> float:
        """Seconds until some candidate has room."""
        models = (*search.asked.models, *search.asked.fallbacks)
        budgets, least = [model.budgets for model in models], search.client.least
        return min(await self._ports.quotas.waits(budgets, least))

    async def rest(self, model: Model) -> float:
        """Seconds that its breaker lets nothing through."""
        [rest] = await self._ports.breakers.resting([model.name])
        return rest

    async def verdict(self, search: Search, selection: Selection) -> ProxyError:
        """The error for the client, with its moments as they are by now."""
        excluded, failed = search.excluded, search.failed
        models = [c.model for c in selection.ranked] + [e.model for e in excluded]
        seen = await self._seen(models, search.client)
        waits = {c.model.name: max(c.free_in, c.resting_for) for c in seen}
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
