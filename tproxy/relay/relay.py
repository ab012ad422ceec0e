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
from tproxy.core.selection import Candidate, Exclusion, Selection, Why
from tproxy.core.state import Breakers, Clock, Lease, QuotaStore, Turns
from tproxy.core.upstream import (
    Broken,
    Dialect,
    ProviderAdapter,
    Signer,
    Transport,
    UpstreamReply,
    UpstreamRequest,
)
from tproxy.relay.answer import Answer, Begun, passed_on
from tproxy.relay.attempt import Asking
from tproxy.relay.reading import begin, error_body, whole
from tproxy.relay.retry import pause
from tproxy.relay.trail import Trail
from tproxy.relay.verdict import verdict

Select = Callable[[ChatRequest, Client, list[Candidate], str], Selection]


@attrs.frozen(eq=False)
class Relay:
    """Everything an answer takes, as ports; itself it remembers nothing.

    `chance` gives numbers in [0, 1), `sleep` takes seconds.
    """

    catalog: Catalog
    select: Select
    dialect: Callable[[str], Dialect]
    signer: Signer
    transport: Transport
    quotas: QuotaStore
    breakers: Breakers
    turns: Turns
    clock: Clock
    routing: Routing
    retry: RetryPolicy
    chance: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def answer(self, chat: ChatRequest, client: Client, trail: Trail) -> Answer:
        """The answer of the first candidate that gives one; `Answer.end` lets it go.

        Raises:
            ProxyError: nobody answers, or the request is refused.
        """
        deadline = self.clock.steady() + self.routing.deadline_seconds
        asked = self.catalog.find(chat.model)
        selection = await self._select(chat, client, asked)
        excluded = list(selection.excluded)
        failed: dict[str, UpstreamFailed] = {}
        # Who is asked next: when, in which order, who, and the how manieth repeat.
        line = [(-math.inf, rank, c, 0) for rank, c in enumerate(selection.ranked)]
        while line:
            due, rank, candidate, repeat = heapq.heappop(line)
            model = candidate.model
            now = self.clock.steady()
            if max(due, now) >= deadline:
                break
            while now < due:  # a timer may ring a little early
                await self.sleep(due - now)
                now = self.clock.steady()
            lease = await self._admit(candidate, excluded, failed)
            if lease is None:
                continue
            self.turns.take(model.name)
            asking = Asking(model, lease, self.quotas, self.breakers, self.clock, trail)
            await asking.begin()
            try:
                begun = await self._ask(asking, chat, deadline)
            except UpstreamFailed as error:
                asking.failure = failure = error
                await asking.end()
            except BaseException:
                await asking.end()
                raise
            else:
                reason = _reason(asked, model, excluded, failed)
                trail.model, trail.reason = model, reason
                attempts = len(trail.attempts) + 1
                if begun.whole is not None:
                    await asking.end()
                return Answer(
                    begun, model, attempts, reason, lease.room, asking.dropped, asking
                )
            if not failure.failure.onward:
                raise failure
            failed[model.name] = failure
            wait = pause(
                failure, repeat + 1, self.retry, rest=asking.rest, chance=self.chance()
            )
            if wait is not None and not await self._rest(model):
                due = self.clock.steady() + wait
                heapq.heappush(line, (due, rank, candidate, repeat + 1))
        raise await self._verdict(chat, selection, excluded, failed)

    async def _select(
        self, chat: ChatRequest, client: Client, asked: Asked
    ) -> Selection:
        called = DEFAULT_CATEGORY if chat.model is None else chat.model
        if len(asked.models) == 1 and not asked.fallbacks:
            # There is nobody to prefer: what it lacks shows when it is asked.
            return self.select(chat, client, [Candidate(asked.models[0])], called)
        first = self.select(chat, client, await self._seen(asked.models), called)
        if not asked.fallbacks:
            return first
        then = self.select(chat, client, await self._seen(asked.fallbacks), called)
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
        chat: ChatRequest,
        selection: Selection,
        excluded: Sequence[Exclusion],
        failed: Mapping[str, UpstreamFailed],
    ) -> ProxyError:
        """The error for the client, with its moments as they are by now."""
        models = [c.model for c in selection.ranked] + [e.model for e in excluded]
        seen = await self._seen(models)
        waits = {c.model.name: max(c.free_in, c.resting_for) for c in seen}
        return verdict(
            chat.model,
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

    async def _ask(self, asking: Asking, chat: ChatRequest, deadline: float) -> Begun:
        """Send the request and wait until the answer has begun."""
        model = asking.model
        adapter = self.dialect(model.upstream.dialect).chat
        request = adapter.build_request(chat, model)
        if request.dropped and model.strict:
            raise _inexpressible(model, request.dropped)
        asking.dropped = request.dropped
        request = await self.signer.sign(request, model.upstream)
        left = deadline - self.clock.steady()
        asking.sent = True
        try:
            if chat.stream:
                return await self._begin(asking, adapter, chat, request, left)
            return await self._whole(asking, adapter, chat, request, left)
        except Broken as broken:
            raise UpstreamFailed.of(
                model.name, broken.failure, broken.detail
            ) from broken

    async def _begin(
        self,
        asking: Asking,
        adapter: ProviderAdapter,
        chat: ChatRequest,
        request: UpstreamRequest,
        left: float,
    ) -> Begun:
        """Ask for a stream and wait for its first content, `left` seconds at most."""
        upstream = asking.model.upstream
        patience = upstream.patience.streaming
        limit = min(patience.connect + patience.first_byte, left)
        try:
            async with asyncio.timeout(limit):
                reply = await asking.opened(
                    self.transport.open(request, upstream, patience)
                )
                await _check_status(reply, adapter, asking.model)
                return await begin(asking, adapter, chat, reply)
        except TimeoutError:
            asking.hurried = limit == left
            detail = f"nothing within {limit:.3g} s"
            raise Broken(failures.FIRST_BYTE, detail) from None

    async def _whole(
        self,
        asking: Asking,
        adapter: ProviderAdapter,
        chat: ChatRequest,
        request: UpstreamRequest,
        left: float,
    ) -> Begun:
        """Ask for an answer in one piece, which may take `left` seconds at most."""
        upstream = asking.model.upstream
        patience = upstream.patience.answering
        hurried = left < patience.whole
        if hurried:
            patience = attrs.evolve(patience, whole=left)
        try:
            reply = await asking.opened(
                self.transport.open(request, upstream, patience)
            )
            await _check_status(reply, adapter, asking.model)
            body = await whole(reply)
        except Broken as broken:
            asking.hurried = hurried and broken.failure is failures.TIMED_OUT
            raise
        said = adapter.parse_response(reply.head, body, chat, asking.model)
        asking.finish(said.usage)
        headers = passed_on(reply.head.headers, kind="application/json")
        return Begun(headers, said.body, None)


async def _check_status(
    reply: UpstreamReply, adapter: ProviderAdapter, model: Model
) -> None:
    """Raises UpstreamFailed for anything but a 2xx."""
    if not 200 <= reply.head.status < 300:
        body = await error_body(reply, model.upstream.patience)
        raise adapter.parse_error(reply.head, body, model)


def _inexpressible(model: Model, dropped: tuple[str, ...]) -> UpstreamFailed:
    row = failures.UNSUPPORTED
    return UpstreamFailed(
        message=f"{model.name}: {row.said}: {', '.join(dropped)}.",
        failure=row,
        model=model.name,
        param=dropped[0],
    )


def _reason(
    asked: Asked,
    model: Model,
    excluded: list[Exclusion],
    failed: dict[str, UpstreamFailed],
) -> str:
    """Why this model answers, in a line of visible ASCII."""
    parts = [asked.how if model in asked.models else f"fallback after {asked.how}"]
    if asked.how == "category":
        parts = [f"category {model.category}", f"priority {model.priority}"]
    shown = [e for e in excluded if e.why is not Why.NOT_ALLOWED]
    parts += [f"{e.model.name} {e.why.value}" for e in shown[:4]]
    parts += [f"{name} {error.failure.name}" for name, error in failed.items()]
    return "; ".join(parts)[:400]
