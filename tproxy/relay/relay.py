"""Failover: ask one candidate after another until an answer has begun."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections.abc import Awaitable, Callable

import attrs

from tproxy.core.budget import Cost
from tproxy.core.catalog import Catalog
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.image import ImageRequest
from tproxy.core.model import Client, Model, RetryPolicy, Routing
from tproxy.core.request import Request
from tproxy.core.upstream import Broken, Dialect
from tproxy.relay.admission import Admission
from tproxy.relay.answer import Answer, Begun, reason_for
from tproxy.relay.attempt import Asking, Ports
from tproxy.relay.budget import Repeats
from tproxy.relay.chatting import ask_whole, begin_stream
from tproxy.relay.criteria import ByLatency, criterion
from tproxy.relay.doors import Doors
from tproxy.relay.hedging import Race, hedging_of
from tproxy.relay.linking import Linking
from tproxy.relay.outlook import Outlook, Select, Unfit
from tproxy.relay.resuming import resumable
from tproxy.relay.retry import pause
from tproxy.relay.search import Place, Search
from tproxy.relay.stepping import make
from tproxy.relay.trail import Trail
from tproxy.relay.waiting import Waiting


@attrs.frozen(eq=False)
class Relay:
    """Everything an answer takes, as ports; itself it remembers nothing.

    `chance` gives numbers in [0, 1), `sleep` takes seconds. Pictures that a client
    links to are fetched for providers that want the bytes if `fetches_links`.
    """

    catalog: Catalog
    select: Select
    unfit: Unfit
    dialect: Callable[[str], Dialect]
    doors: Doors
    admission: Admission
    routing: Routing
    retry: RetryPolicy
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    fetches_links: bool = False
    ports: Ports = attrs.field(init=False)
    _outlook: Outlook = attrs.field(init=False)
    _latency: ByLatency | None = attrs.field(init=False)  # if candidates go by that
    _waiting: Waiting = attrs.field(init=False)

    @ports.default
    def _shared(self) -> Ports:
        return self.admission.ports

    @_outlook.default
    def _looks(self) -> Outlook:
        ports, turns = self.ports, self.admission.turns
        by, known = self.routing.by, (ports.quotas, ports.paces, ports.clock)
        compared = criterion(by, *known, self.chance)
        return Outlook(self.select, self.unfit, ports, turns, self._cost, compared)

    @_latency.default
    def _times(self) -> ByLatency | None:
        compared = self._outlook.criterion
        return compared if isinstance(compared, ByLatency) else None

    @_waiting.default
    def _line(self) -> Waiting:
        queues, clock = self.admission.queues, self.ports.clock
        return Waiting(self._outlook, queues, clock, self.sleep, self.routing)

    def answer(
        self,
        request: Request,
        client: Client,
        trail: Trail,
        patience: float = math.inf,
    ) -> Awaitable[Answer]:
        """The answer of the first candidate that gives one; `Answer.end` lets it go.

        It begins within `patience` seconds, the client's, or not at all.

        Raises:
            ProxyError: nobody answers, or the request is refused.
        """
        clock, routing = self.ports.clock, self.routing
        begun = clock.steady()
        deadline = begun + routing.deadline_seconds
        if patience < routing.deadline_seconds:
            deadline = begun + patience
        asked = self.catalog.find(request.model, request.kind)
        trail.asked = request.model or ""
        search = Search(request, client, trail, asked, deadline)
        if self.fetches_links and isinstance(request, ChatRequest):
            search.linking = Linking(request, self.doors.outside)
        if routing.hedge:
            search.hedging = hedging_of(search, routing.hedge, self.ports.hedging)
        if routing.wait_seconds:
            until = min(begun + routing.wait_seconds, deadline)
            answer = self._waiting.answer(search, self._search, until)
        else:
            answer = self._search(search)
        return self._paid(search, answer) if client.budgets else answer

    async def _paid(self, search: Search, answer: Awaitable[Answer]) -> Answer:
        """An answer; where there is none, what its client has paid for it ends."""
        try:
            return await answer
        except BaseException:
            if search.fare is not None:
                await search.fare.end()
            raise

    async def _search(self, search: Search) -> Answer:
        """Ask candidates until an answer has begun."""
        clock = self.ports.clock
        outlook = self._outlook
        selection = outlook.alone(search) or await outlook.selection(search)
        search.excluded = selection.excluded
        search.line = line = []
        for rank, candidate in enumerate(selection.ranked):
            line.append((-math.inf, rank, candidate, 0))  # in order, so it is a heap
        put_off: tuple[str, ...] = ()
        deadline = search.deadline
        try:
            while line:
                place = due, rank, candidate, repeat = heapq.heappop(line)
                model = candidate.model
                now = clock.steady()
                if now >= deadline:
                    break
                if due > now:
                    await self._until(due)
                if line and model.name not in put_off and self.admission.is_busy(model):
                    put_off += (model.name,)  # others are free, perhaps
                    now = clock.steady()
                    heapq.heappush(line, (now, rank, candidate, repeat))
                    continue
                requests = self._requests(search.request, model)
                asking = await self.admission.admit(
                    candidate, search, deadline, requests
                )
                if not isinstance(asking, Asking):
                    search.excluded += () if asking is None else (asking,)
                    continue
                if search.hedging is None:
                    begun = await self.attempt(search, place, asking)
                    answered = None if begun is None else (asking, begun)
                else:
                    race = Race(self, search, search.hedging, clock)
                    answered = await race.run(place, asking)
                if answered is not None:
                    asking, begun = answered
                    answer = _answer(asking, begun, search, outlook)
                    if begun.whole is not None:  # it is over on our side
                        await asking.end()
                    if not answer.model.resume:
                        return answer
                    return resumable(answer, search, self._search, clock)
        finally:
            if search.repeats is not None:
                search.repeats.end()
        raise await outlook.verdict(search, selection)

    async def attempt(
        self, search: Search, place: Place, asking: Asking
    ) -> Begun | None:
        """Ask a candidate; None where it failed, and others may be asked.

        It may be back in line then, for a repeat.

        Raises:
            UpstreamFailed: it failed, and others need not be asked.
        """
        model, asked, linking = asking.model, search.request, search.linking
        dialect, since = self.dialect(model.upstream.dialect), asking.started
        if model.normalise:
            dialect = dialect.normal or dialect
        try:
            left = search.deadline - since
            if not isinstance(asked, ChatRequest):
                begun = await make(asked, asking, dialect, self.doors, left)
            else:
                if linking is not None and not dialect.takes_links:
                    since = math.inf  # it is not asked yet
                    asked = await linking.embedded(model, left)
                    since = self.ports.clock.steady()
                    left = search.deadline - since
                ask = begin_stream if asked.stream else ask_whole
                begun = await ask(asked, asking, dialect.chat, self.doors, left)
            if self._latency is not None:
                self._latency.began(model, since, stream=asked.stream)
            return begun
        except Broken as broken:
            failure = UpstreamFailed.of(model.name, broken.failure, broken.detail)
        except UpstreamFailed as error:
            failure = error.with_traceback(None)  # which leads back to here
        except BaseException:
            if self._latency is not None:
                self._latency.waited(model, since, stream=asked.stream)
            await asking.end()
            raise
        if self._latency is not None:
            self._latency.waited(model, since, stream=asked.stream)
        asking.failure = failure
        await asking.end()
        if not failure.failure.onward:
            raise failure
        search.failed[model.name] = failure
        _, rank, candidate, repeat = place
        again = await self._again(asking, failure, repeat + 1, search)
        if again is not None and again < search.deadline:
            heapq.heappush(search.line, (again, rank, candidate, repeat + 1))
        return None

    async def stand_in(self, search: Search) -> tuple[Place, Asking] | None:
        """The next candidate, begun to be asked, if it need not wait for anything."""
        line, clock = search.line, self.ports.clock
        place = min(
            (each for each in line if self._is_free(each, search)), default=None
        )
        if place is None:
            return None
        candidate = place[2]
        model = candidate.model
        if await self._outlook.rest(model) or not self._may_repeat(search, model):
            return None
        requests = self._requests(search.request, model)
        now = clock.steady()
        asking = await self.admission.admit(candidate, search, now, requests)
        if not isinstance(asking, Asking):
            return None
        line.remove(place)
        heapq.heapify(line)
        return place, asking

    def _is_free(self, place: Place, search: Search) -> bool:
        """Whether it was not asked yet, and there is nothing in its way."""
        _, _, candidate, repeat = place
        model, linking = candidate.model, search.linking
        if repeat or candidate.resting_for or self.admission.is_busy(model):
            return False
        takes_links = self.dialect(model.upstream.dialect).takes_links
        return linking is None or takes_links or not linking.has_links

    def _cost(self, search: Search, model: Model) -> Cost:
        """What it would take to ask a candidate."""
        requests = self._requests(search.request, model)
        return self.admission.cost(search.request, search.client, model, requests)

    def _requests(self, request: Request, model: Model) -> int:
        """How many requests of the provider's this one takes."""
        if not isinstance(request, ImageRequest):
            return 1
        return request.n if self.dialect(model.upstream.dialect).draws_singly else 1

    async def _until(self, due: float) -> None:
        """Wait until a candidate is due."""
        while (left := due - self.ports.clock.steady()) > 0:
            await self.sleep(left)  # a timer may ring a little early

    async def _again(
        self, asking: Asking, failure: UpstreamFailed, repeat: int, search: Search
    ) -> float | None:
        """When the candidate that failed is due for its `repeat`th repeat, if it is."""
        chance, model = self.chance(), asking.model
        wait = pause(failure, repeat, self.retry, rest=asking.rest, chance=chance)
        if wait is None or await self._outlook.rest(model):
            return None
        if wait > 0 and not self._may_repeat(search, model):
            return None
        return self.ports.clock.steady() + wait

    def _may_repeat(self, search: Search, model: Model) -> bool:
        """Take a place for one more request than its client's, if there is any."""
        if search.repeats is None:
            search.repeats = Repeats(self.ports.budget)
        return search.repeats.take(model.provider)


def _answer(asking: Asking, begun: Begun, search: Search, outlook: Outlook) -> Answer:
    """What has begun, for the client."""
    model, trail = asking.model, search.trail
    why = outlook.why(search, model) if search.figures else ""
    reason = reason_for(
        search.asked, model, search.excluded, search.failed, search.hedged, why
    )
    trail.model, trail.reason = model, reason
    attempts = len(trail.attempts) + 1
    return Answer(begun, model, attempts, reason, asking.rooms, asking.dropped, asking)
