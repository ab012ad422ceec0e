"""Decides anew about each request of a log, as the relay does, by quotas of its own.

A log tells less than a relay knows, so this is guessed:
  * A model that the log does not show failing answers, with the tokens of the log and
    as fast. What nobody answered is as long as requests have been on average.
  * Providers fail when and as the log says, if the same models are asked again.
  * All models are up to what is asked, but for their context window.
  * An answer begins when it ends, and weights are drawn by other lots than then.
Nobody waits: neither for a throttle nor, by `on_exhausted`, for a quota.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import attrs

from tproxy.core import failures
from tproxy.core.budget import Outcome
from tproxy.core.catalog import DEFAULT_CATEGORY, Catalog
from tproxy.core.chat import ChatRequest
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import ModelNotFound
from tproxy.core.events import Attempt
from tproxy.core.failures import Failure
from tproxy.core.image import ImageRequest
from tproxy.core.leases import Denial, Lease
from tproxy.core.model import Client, Kind, Model
from tproxy.core.pace import Paces
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Strategy, Why
from tproxy.relay.cost import Purse
from tproxy.relay.criteria import ByLatency, Criterion, criterion
from tproxy.relay.fare import Fare
from tproxy.relay.leases import OpenLeases
from tproxy.selection.eligible import select
from tproxy.selection.strategies import strategy
from tproxy.settings import Settings
from tproxy.simulation.decision import Decision, Fate
from tproxy.simulation.drought import Droughts
from tproxy.simulation.record import Record
from tproxy.simulation.search import GIVEN_UP, ROWS, Search, Usual
from tproxy.simulation.timeline import Timeline, until
from tproxy.state.memory import MemoryBreakers, MemoryTurns
from tproxy.state.memory_quotas import MemoryQuotas

# Repeated before others are asked.
_FREE = (failures.STALE, failures.EXPIRED, failures.UNTAKEN)
# Only their kind is looked at.
_SAID: dict[Kind, Request] = {
    Kind.CHAT: ChatRequest.parse(b'{"messages": [{"role": "user", "content": ""}]}'),
    Kind.IMAGE: ImageRequest.parse(b'{"prompt": "-"}', "", 0, bare=False),
    Kind.EMBEDDING: EmbeddingRequest.parse(b'{"input": "-"}'),
}


@attrs.define(eq=False)
class Replay:
    """Takes the requests of a log one by one; `tell` hears what becomes of each."""

    settings: Settings
    tell: Callable[[Decision], None]
    droughts: Droughts = attrs.field(factory=Droughts)
    _timeline: Timeline = attrs.field(factory=Timeline, init=False)
    _quotas: MemoryQuotas = attrs.field(init=False)
    _breakers: MemoryBreakers = attrs.field(init=False)
    _leases: OpenLeases = attrs.field(factory=OpenLeases, init=False)
    _turns: MemoryTurns = attrs.field(factory=MemoryTurns, init=False)
    _usual: Usual = attrs.field(factory=Usual, init=False)
    _order: Strategy = attrs.field(init=False)
    _criterion: Criterion | None = attrs.field(init=False)
    _catalog: Catalog = attrs.field(init=False)
    _clients: dict[str | None, Client] = attrs.field(init=False)
    _purses: dict[tuple[str, str], Purse] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._quotas = MemoryQuotas(self._timeline)
        self._breakers = MemoryBreakers(self._timeline, chance=lambda: 0.5)
        chance = random.Random(0).random  # noqa: S311 - lots, and no secrets
        by, known = self.settings.routing.by, (self._quotas, Paces(), self._timeline)
        self._order, self._criterion = strategy(by), criterion(by, *known, chance)
        # A model's throttle delays, and nobody waits here.
        models = [attrs.evolve(model, throttle=None) for model in self.settings.models]
        self._catalog = Catalog.of(models, self.settings.routing.fallbacks)
        self._clients = {client.name: client for client in self.settings.clients}

    def take(self, record: Record) -> None:
        """Replay a request, which began no earlier than those before it."""
        self._timeline.advance(record.began)
        self._usual.learn(record)
        self._timeline.start(self._request(record))

    def finish(self) -> None:
        """Let those end that are still under way."""
        self._timeline.advance(math.inf)

    async def _request(self, record: Record) -> None:
        try:
            asked = self._catalog.find(record.asked or None, record.kind)
        except ModelNotFound:
            self.tell(Decision(record, Fate.UNKNOWN, self._timeline.now))
            return
        known = self._clients.get(record.client)
        search = Search(
            record,
            asked,
            known or Client(record.client or "", ()),
            self._usual.tokens(record),
            self._usual.seconds(record),
            stranger=known is None,
        )
        selection = await self._select(search)
        if isinstance(self._criterion, ByLatency) and selection.ranked:
            self._criterion.tried(selection.ranked[0].model, stream=record.stream)
        if not await self._asked(search, deque(c.model for c in selection.ranked)):
            await self._look_at(search, selection.excluded)
            fate = Fate.FAILED if search.failed else Fate.UNFIT
            self._told(search, Fate.REFUSED if search.denials else fate)
        if search.fare is not None:
            await search.fare.end()

    async def _asked(self, search: Search, line: deque[Model]) -> bool:
        """One after another, until one settles the matter; False: none did."""
        while line:
            model = line.popleft()
            lease = await self._reserved(search, model)
            if lease is None:
                continue
            self._turns.take(model.name)
            self._breakers.asked(model.name)
            attempt = search.next_attempt(model)
            row = search.failure(attempt)
            if attempt is None or row is None:
                self._told(search, Fate.ANSWERED, model)
                await self._answer(search, lease, model, attempt)
                return True
            rest = await self._fail(search, lease, model, row, attempt.seconds)
            search.failed[model.name] = row
            if not row.onward:
                self._told(search, Fate.FAILED)
                return True
            if search.attempts.get(model.name):  # it was asked again
                if row in _FREE:
                    line.appendleft(model)
                    continue
                line.append(model)
                if len(line) == 1 and rest:
                    await until(self._timeline.now + rest)
        return False

    async def _look_at(self, search: Search, excluded: Iterable[Exclusion]) -> None:
        """What those that were passed over wait for, and for how long, by now."""
        for exclusion in excluded:
            name, budgets = exclusion.model.name, exclusion.model.budgets
            if exclusion.why is Why.QUOTA:
                least = search.client.least
                denial = await self._quotas.reserve(budgets, least)  # says by whom
                if isinstance(denial, Lease):
                    await self._quotas.release(denial)
                    denial = Denial(budgets[0].name, "free again", 0.0)
                search.denials.append(denial)
            elif exclusion.why is Why.RESTING:
                [rest] = await self._breakers.resting([name])
                search.denials.append(Denial(f"model/{name}", "failures", rest))

    async def _reserved(self, search: Search, model: Model) -> Lease | None:
        failed = search.failed.get(model.name)
        if search.failed:
            [rest] = await self._breakers.resting([model.name])
            if rest:
                if failed is None:
                    denial = Denial(f"model/{model.name}", "failures", rest)
                    search.denials.append(denial)
                return None
        purse = self._purse(model, search)
        cost = purse.cost(*search.tokens)
        fare = search.fare
        budgets = purse.budgets if fare is None else fare.left_of(purse)
        taken = await self._quotas.reserve(budgets, cost, math.inf)
        now = self._timeline.now
        if isinstance(taken, Lease):
            if purse.once and fare is None:
                search.fare = Fare(self._quotas, self._leases, purse.once, taken)
            await self.droughts.taken(self._quotas, taken, now)
            return taken
        self.droughts.denied(taken, now)
        if failed is not failures.RATE_LIMIT:
            search.denials.append(taken)
        return None

    async def _answer(
        self, search: Search, lease: Lease, model: Model, attempt: Attempt | None
    ) -> None:
        if search.record.stream:
            self._quotas.reached(lease)
        seconds = search.seconds if attempt is None else attempt.seconds
        began = self._timeline.now
        await until(began + seconds)
        given_up = attempt is not None and attempt.outcome in GIVEN_UP
        if isinstance(self._criterion, ByLatency):
            learn = self._criterion.waited if given_up else self._criterion.began
            learn(model, began, stream=search.record.stream)
        row = None if attempt is None else ROWS.get(attempt.outcome)
        if row is not None:  # it broke off
            self._breakers.failed(model.name, row)
        elif given_up:
            self._breakers.excused(model.name)
        else:
            self._breakers.succeeded(model.name)
        if search.fare is not None:
            search.fare.after(lease, Outcome.ANSWER, others=False)
            await search.fare.answered(self._purse(model, search), None)
        await self._quotas.settle(lease)
        await self.droughts.taken(self._quotas, lease, self._timeline.now)

    async def _fail(
        self, search: Search, lease: Lease, model: Model, row: Failure, seconds: float
    ) -> float:
        """As the relay does it. Returns the seconds that the model's quota rests."""
        began = self._timeline.now
        await until(began + seconds)
        if isinstance(self._criterion, ByLatency):
            self._criterion.waited(model, began, stream=search.record.stream)
        self._breakers.failed(model.name, row)
        limited = row is failures.RATE_LIMIT
        outcome = Outcome.ERROR if row.counts else None
        outcome = Outcome.REFUSAL if limited else outcome
        if search.fare is not None:
            lease = search.fare.after(lease, outcome, others=row.onward)
        if outcome is not None:
            await self._quotas.settle(lease, None, outcome)
        else:
            await self._quotas.release(lease)
        if limited and model.budgets:
            return await self._quotas.rest(model.budgets[0], None)
        return 0.0

    def _told(self, search: Search, fate: Fate, model: Model | None = None) -> None:
        """Say what came of it."""
        denial = None
        if fate is Fate.REFUSED:
            denial = min(search.denials, key=lambda denial: denial.wait)
        name = model.name if model is not None else None
        record, now = search.record, self._timeline.now
        self.tell(Decision(record, fate, now, name, denial, search.stranger))

    async def _select(self, search: Search) -> Selection:
        asked = search.asked
        called = search.record.asked
        if not called and asked.how == "category":
            called = DEFAULT_CATEGORY
        if len(asked.models) == 1 and not asked.fallbacks:
            alone = [Candidate(model) for model in search.able(asked.models)]
            return self._ranked(search, alone, called)
        seen = await self._seen(search.able(asked.models), search)
        first = self._ranked(search, seen, called)
        if not asked.fallbacks:
            return first
        seen = await self._seen(search.able(asked.fallbacks), search)
        then = self._ranked(search, seen, called)
        ranked, excluded = first.ranked + then.ranked, first.excluded + then.excluded
        fit = tuple(c for c in ranked if not c.resting_for)
        if not fit:
            return Selection(ranked, excluded)
        rests = [Exclusion(c.model, Why.RESTING, "") for c in ranked if c.resting_for]
        return Selection(fit, (*excluded, *rests))

    def _ranked(
        self, search: Search, seen: Sequence[Candidate], called: str
    ) -> Selection:
        request, client = _SAID[search.record.kind], search.client
        return select(request, client, seen, self._order, called=called)

    async def _seen(self, models: Sequence[Model], search: Search) -> list[Candidate]:
        wants = [(model.budgets, search.client.least) for model in models]
        waits = await self._quotas.waits(wants)
        rests = await self._breakers.resting([model.name for model in models])
        seen = [
            Candidate(model, wait, rest, self._turns.last(model.name))
            for model, wait, rest in zip(models, waits, rests, strict=True)
        ]
        if self._criterion is None:
            return seen
        prospects = [search.prospect(m, self._purse(m, search)) for m in models]
        stream = search.record.stream
        figures = await self._criterion.figures(prospects, stream=stream)
        return list(map(Candidate.figured, seen, figures))

    def _purse(self, model: Model, search: Search) -> Purse:
        if search.stranger:  # there may be any number of them
            return Purse.of(model, search.client)
        key = model.name, search.client.name
        purse = self._purses.get(key)
        if purse is None:
            purse = self._purses[key] = Purse.of(model, search.client)
        return purse
