"""Failover: ask one candidate after another until an answer has begun."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence

import attrs

from tproxy.core import failures
from tproxy.core.catalog import DEFAULT_CATEGORY, Asked, Catalog
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import ProxyError, UpstreamFailed
from tproxy.core.model import Client, Model, RetryPolicy, Routing
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Why
from tproxy.core.state import Breakers, Clock, Lease, QuotaStore, Turns
from tproxy.core.upstream import Broken, Dialect
from tproxy.relay.answer import Answer, Begun, reason_for
from tproxy.relay.attempt import Asking
from tproxy.relay.budget import Repeats, RetryBudget
from tproxy.relay.chatting import ask_whole, begin_stream
from tproxy.relay.doors import Doors
from tproxy.relay.linking import Linking
from tproxy.relay.retry import pause
from tproxy.relay.stepping import make
from tproxy.relay.trail import Trail
from tproxy.relay.verdict import verdict

Select = Callable[[Request, Client, list[Candidate], str], Selection]


@attrs.frozen(eq=False)
class Relay:
    """Everything an answer takes, as ports; itself it remembers nothing.

    `chance` gives numbers in [0, 1), `sleep` takes seconds. Pictures that a client
    links to are fetched for providers that want the bytes if `fetches_links`.
    """

    catalog: Catalog
    select: Select
    dialect: Callable[[str], Dialect]
    doors: Doors
    quotas: QuotaStore
    breakers: Breakers
    turns: Turns
    clock: Clock
    routing: Routing
    retry: RetryPolicy
    chance: Callable[[], float]
    budget: RetryBudget
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    fetches_links: bool = False

    async def answer(
        self,
        request: Request,
        client: Client,
        trail: Trail,
        patience: float = math.inf,
    ) -> Answer:
        """The answer of the first candidate that gives one; `Answer.end` lets it go.

        It begins within `patience` seconds, the client's, or not at all.

        Raises:
            ProxyError: nobody answers, or the request is refused.
        """
        limit = min(self.routing.deadline_seconds, patience)
        deadline = self.clock.steady() + limit
        asked = self.catalog.find(request.model, request.kind)
        selection = await self._select(request, client, asked)
        linking = None
        if self.fetches_links and isinstance(request, ChatRequest):
            linking = Linking(request, self.doors.outside)
        excluded = list(selection.excluded)
        failed: dict[str, UpstreamFailed] = {}
        # Who is asked next: when, in which order, who, and the how manieth repeat.
        line = [(-math.inf, rank, c, 0) for rank, c in enumerate(selection.ranked)]
        with Repeats(self.budget) as repeats:
            while line:
                due, rank, candidate, repeat = heapq.heappop(line)
                model = candidate.model
                if not await self._wait(due, deadline):
                    break
                lease = await self._admit(candidate, excluded, failed)
                if lease is None:
                    continue
                self.turns.take(model.name)
                asking = Asking(
                    *(model, lease, self.quotas, self.breakers),
                    *(self.clock, trail, self.budget),
                )
                await asking.begin()
                try:
                    begun = await self._ask(asking, request, linking, deadline)
                except UpstreamFailed as error:
                    asking.failure = failure = error
                    await asking.end()
                except BaseException:
                    await asking.end()
                    raise
                else:
                    reason = reason_for(asked, model, excluded, failed)
                    return await _answer(begun, asking, lease, reason, trail)
                if not failure.failure.onward:
                    raise failure
                failed[model.name] = failure
                again = await self._again(asking, failure, repeat + 1, repeats)
                if again is not None:
                    heapq.heappush(line, (again, rank, candidate, repeat + 1))
        raise await self._verdict(request, selection, excluded, failed)

    async def _wait(self, due: float, deadline: float) -> bool:
        """Wait until a candidate is due; False where that is too late."""
        now = self.clock.steady()
        if max(due, now) >= deadline:
            return False
        while now < due:  # a timer may ring a little early
            await self.sleep(due - now)
            now = self.clock.steady()
        return True

    async def _again(
        self, asking: Asking, failure: UpstreamFailed, repeat: int, repeats: Repeats
    ) -> float | None:
        """When the candidate that failed is due for its `repeat`th repeat, if it is."""
        chance, model = self.chance(), asking.model
        wait = pause(failure, repeat, self.retry, rest=asking.rest, chance=chance)
        if wait is None or await self._rest(model):
            return None
        if wait > 0 and not repeats.take(model.provider):
            return None
        return self.clock.steady() + wait

    async def _select(
        self, request: Request, client: Client, asked: Asked
    ) -> Selection:
        called = request.model
        if called is None:
            called = DEFAULT_CATEGORY if asked.how == "category" else ""
        if len(asked.models) == 1 and not asked.fallbacks:
            # There is nobody to prefer: what it lacks shows when it is asked.
            return self.select(request, client, [Candidate(asked.models[0])], called)
        first = self.select(request, client, await self._seen(asked.models), called)
        if not asked.fallbacks:
            return first
        then = self.select(request, client, await self._seen(asked.fallbacks), called)
        ranked, excluded = first.ranked + then.ranked, first.excluded + then.excluded
        fit = tuple(c for c in ranked if not c.resting_for)
        if not fit:
            return Selection(ranked, excluded)
        # To ask one that rests is a guess, and better than nothing only.
        guesses = [c for c in ranked if c.resting_for]
        rests = [Exclusion(c.model, Why.RESTING, "", c.resting_for) for c in guesses]
        return Selection(fit, (*excluded, *rests))

    async def _seen(self, models: Sequence[Model]) -> list[Candidate]:
        """The models as they are at this moment."""
        waits = await self.quotas.waits([model.pools for model in models])
        rests = await self.breakers.resting([model.name for model in models])
        return [
            Candidate(model, wait, rest, self.turns.last(model.name))
            for model, wait, rest in zip(models, waits, rests, strict=True)
        ]

    async def _admit(
        self,
        candidate: Candidate,
        excluded: list[Exclusion],
        failed: Mapping[str, UpstreamFailed],
    ) -> Lease | None:
        """Take from its quotas. None where somebody was faster, or found it broken."""
        model = candidate.model
        before = failed.get(model.name)
        if failed and not candidate.resting_for and (rest := await self._rest(model)):
            if before is None:
                excluded.append(Exclusion(model, Why.RESTING, "", wait=rest))
            return None
        lease = await self.quotas.reserve(model.pools)
        if isinstance(lease, Lease):
            return lease
        if before is None or before.failure is not failures.RATE_LIMIT:
            excluded.append(Exclusion(model, Why.QUOTA, "", wait=lease.wait))
        return None

    async def _rest(self, model: Model) -> float:
        [rest] = await self.breakers.resting([model.name])
        return rest

    async def _verdict(
        self,
        request: Request,
        selection: Selection,
        excluded: Sequence[Exclusion],
        failed: Mapping[str, UpstreamFailed],
    ) -> ProxyError:
        """The error for the client, with its moments as they are by now."""
        models = [c.model for c in selection.ranked] + [e.model for e in excluded]
        seen = await self._seen(models)
        waits = {c.model.name: max(c.free_in, c.resting_for) for c in seen}
        return verdict(
            request.model,
            [
                e if e.wait is None else attrs.evolve(e, wait=waits[e.model.name])
                for e in excluded
            ],
            [
                attrs.evolve(error, retry_after=waits[name])
                if error.failure is failures.RATE_LIMIT
                else error
                for name, error in failed.items()
            ],
        )

    async def _ask(
        self,
        asking: Asking,
        asked: Request,
        linking: Linking | None,
        deadline: float,
    ) -> Begun:
        """Send the request and wait until the answer has begun."""
        model = asking.model
        dialect = self.dialect(model.upstream.dialect)
        left = deadline - self.clock.steady()
        try:
            if not isinstance(asked, ChatRequest):
                return await make(asked, asking, dialect, self.doors, left)
            if linking is not None and not dialect.takes_links:
                asked = await linking.embedded(model, left)
                left = deadline - self.clock.steady()
            ask = begin_stream if asked.stream else ask_whole
            return await ask(asked, asking, dialect.chat, self.doors, left)
        except Broken as broken:
            raise UpstreamFailed.of(
                model.name, broken.failure, broken.detail
            ) from broken


async def _answer(
    begun: Begun, asking: Asking, lease: Lease, reason: str, trail: Trail
) -> Answer:
    """What has begun, for the client. Whole already, it is over on our side."""
    model = asking.model
    trail.model, trail.reason = model, reason
    attempts = len(trail.attempts) + 1
    if begun.whole is not None:
        await asking.end()
    return Answer(begun, model, attempts, reason, lease.room, asking.dropped, asking)
