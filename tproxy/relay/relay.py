"""Failover: ask one candidate after another until an answer has begun."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import attrs

from tproxy.core import failures
from tproxy.core.catalog import DEFAULT_CATEGORY, Catalog
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import ProxyError, QuotaExhausted, UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Client, Model, RetryPolicy, Routing
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion, Selection, Why
from tproxy.core.state import Turns
from tproxy.core.upstream import Broken, Dialect
from tproxy.relay.admission import Admission, Admitted
from tproxy.relay.answer import Answer, Begun, reason_for
from tproxy.relay.attempt import Asking, Ports
from tproxy.relay.budget import Repeats
from tproxy.relay.chatting import ask_whole, begin_stream
from tproxy.relay.doors import Doors
from tproxy.relay.linking import Linking
from tproxy.relay.queues import Full
from tproxy.relay.retry import pause
from tproxy.relay.search import Search
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
    admission: Admission
    turns: Turns
    routing: Routing
    retry: RetryPolicy
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    fetches_links: bool = False

    @property
    def ports(self) -> Ports:
        return self.admission.ports

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
        clock, routing = self.ports.clock, self.routing
        begun = clock.steady()
        deadline = begun + min(routing.deadline_seconds, patience)
        asked = self.catalog.find(request.model, request.kind)
        trail.asked = request.model or ""
        search = Search(request, client, trail, asked, deadline)
        if self.fetches_links and isinstance(request, ChatRequest):
            search.linking = Linking(request, self.doors.outside)
        if not routing.wait_seconds:
            return await self._search(search)
        return await self._patiently(
            search, min(begun + routing.wait_seconds, deadline)
        )

    async def _search(self, search: Search) -> Answer:
        """Ask candidates until an answer has begun."""
        request, failed = search.request, search.failed
        selection = await self._select(search)
        excluded = search.excluded = list(selection.excluded)
        # Who is asked next: when, in which order, who, and the how manieth repeat.
        line = [(-math.inf, rank, c, 0) for rank, c in enumerate(selection.ranked)]
        put_off: set[str] = set()
        with Repeats(self.ports.budget) as repeats:
            while line:
                due, rank, candidate, repeat = heapq.heappop(line)
                model = candidate.model
                if not await self._wait(due, search.deadline):
                    break
                if line and model.name not in put_off and self.admission.is_busy(model):
                    put_off.add(model.name)  # others are free, perhaps
                    now = self.ports.clock.steady()
                    heapq.heappush(line, (now, rank, candidate, repeat))
                    continue
                admitted = await self.admission.admit(
                    *(candidate, request, search.client, failed, search.deadline),
                    self._requests(request, model),
                )
                if not isinstance(admitted, Admitted):
                    excluded += [] if admitted is None else [admitted]
                    continue
                self.turns.take(model.name)
                asking = Asking(
                    *(model, admitted.purse, admitted.lease),
                    *(self.ports, search.trail),
                )
                await asking.begin()
                try:
                    begun = await self._ask(asking, search)
                except UpstreamFailed as error:
                    asking.failure = failure = error
                    await asking.end()
                except BaseException:
                    await asking.end()
                    raise
                else:
                    reason = reason_for(search.asked, model, excluded, failed)
                    return await _answer(begun, asking, reason, search.trail)
                if not failure.failure.onward:
                    raise failure
                failed[model.name] = failure
                again = await self._again(asking, failure, repeat + 1, repeats)
                if again is not None:
                    heapq.heappush(line, (again, rank, candidate, repeat + 1))
        raise await self._verdict(request, selection, excluded, failed)

    def _requests(self, request: Request, model: Model) -> int:
        """How many requests of the provider's this one takes."""
        if not isinstance(request, ImageRequest):
            return 1
        return request.n if self.dialect(model.upstream.dialect).draws_singly else 1

    async def _patiently(self, search: Search, until: float) -> Answer:
        """Ask once quotas have room, for which one may wait in line `until` a moment.

        Raises:
            ProxyError: as it is by then.
        """
        clock, queues = self.ports.clock, self.admission.queues
        line = ("quota", *(model.name for model in search.asked.models))
        if not queues.busy(line):
            with suppress(QuotaExhausted):
                return await self._search(search)
        while (left := until - clock.steady()) > 0:
            most = self.routing.max_waiting
            try:
                async with queues.turn(line, search.client.priority, left, most):
                    wait = await self._soonest(search)
                    if clock.steady() + wait >= until:
                        break
                    await self.sleep(wait)
            except (TimeoutError, Full):
                break
            with suppress(QuotaExhausted):
                return await self._search(search)
        return await self._search(search)

    async def _soonest(self, search: Search) -> float:
        """Seconds until some candidate has room."""
        models = (*search.asked.models, *search.asked.fallbacks)
        return min(await self.ports.quotas.waits([model.budgets for model in models]))

    async def _wait(self, due: float, deadline: float) -> bool:
        """Wait until a candidate is due; False where that is too late."""
        clock = self.ports.clock
        now = clock.steady()
        if max(due, now) >= deadline:
            return False
        while now < due:  # a timer may ring a little early
            await self.sleep(due - now)
            now = clock.steady()
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
        return self.ports.clock.steady() + wait

    async def _select(self, search: Search) -> Selection:
        request, client, asked = search.request, search.client, search.asked
        called = request.model
        if called is None:
            called = DEFAULT_CATEGORY if asked.how == "category" else ""
        if len(asked.models) == 1 and not asked.fallbacks:
            # There is nobody to prefer: what it lacks shows when it is asked.
            return self.select(request, client, [Candidate(asked.models[0])], called)
        seen = await self._seen(asked.models, request)
        first = self.select(request, client, seen, called)
        if not asked.fallbacks:
            return first
        seen = await self._seen(asked.fallbacks, request)
        then = self.select(request, client, seen, called)
        ranked, excluded = first.ranked + then.ranked, first.excluded + then.excluded
        fit = tuple(c for c in ranked if not c.resting_for)
        if not fit:
            return Selection(ranked, excluded)
        # To ask one that rests is a guess, and better than nothing only.
        guesses = [c for c in ranked if c.resting_for]
        rests = [Exclusion(c.model, Why.RESTING, "", c.resting_for) for c in guesses]
        return Selection(fit, (*excluded, *rests))

    async def _seen(self, models: Sequence[Model], request: Request) -> list[Candidate]:
        """The models as they are at this moment."""
        quotas, breakers = self.ports.quotas, self.ports.breakers
        waits = await quotas.waits([model.budgets for model in models])
        rests = await breakers.resting([model.name for model in models])
        return [
            Candidate(model, wait, rest, self.turns.last(model.name))
            for model, wait, rest in zip(models, waits, rests, strict=True)
        ]

    async def _rest(self, model: Model) -> float:
        [rest] = await self.ports.breakers.resting([model.name])
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
        seen = await self._seen(models, request)
        waits = {c.model.name: max(c.free_in, c.resting_for) for c in seen}
        return verdict(
            request.model,
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

    async def _ask(self, asking: Asking, search: Search) -> Begun:
        """Send the request and wait until the answer has begun."""
        model, asked = asking.model, search.request
        linking, deadline = search.linking, search.deadline
        dialect = self.dialect(model.upstream.dialect)
        left = deadline - self.ports.clock.steady()
        try:
            if not isinstance(asked, ChatRequest):
                return await make(asked, asking, dialect, self.doors, left)
            if linking is not None and not dialect.takes_links:
                asked = await linking.embedded(model, left)
                left = deadline - self.ports.clock.steady()
            ask = begin_stream if asked.stream else ask_whole
            return await ask(asked, asking, dialect.chat, self.doors, left)
        except Broken as broken:
            raise UpstreamFailed.of(
                model.name, broken.failure, broken.detail
            ) from broken


async def _answer(begun: Begun, asking: Asking, reason: str, trail: Trail) -> Answer:
    """What has begun, for the client. Whole already, it is over on our side."""
    model = asking.model
    trail.model, trail.reason = model, reason
    attempts = len(trail.attempts) + 1
    if begun.whole is not None:
        await asking.end()
    return Answer(begun, model, attempts, reason, asking.rooms, asking.dropped, asking)
