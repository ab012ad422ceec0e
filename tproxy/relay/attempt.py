"""One candidate being asked: its lease and its breaker are settled when that ends."""

from __future__ import annotations

from collections import defaultdict
from contextlib import AbstractAsyncContextManager

import attrs

from tproxy.core import failures, meters
from tproxy.core.budget import Budget, Outcome
from tproxy.core.errors import UpstreamFailed
from tproxy.core.events import Attempt
from tproxy.core.hedging import Hedging
from tproxy.core.leases import Heard, Lease, QuotaStore, Room
from tproxy.core.model import Model
from tproxy.core.state import Breakers, Clock
from tproxy.core.upstream import UpstreamHead, UpstreamReply, Usage
from tproxy.relay.budget import RetryBudget
from tproxy.relay.cost import Answers, Purse
from tproxy.relay.leases import OpenLeases
from tproxy.relay.trail import Trail


@attrs.frozen(eq=False)
class Ports:
    """What an attempt leaves its mark on."""

    quotas: QuotaStore
    breakers: Breakers
    clock: Clock
    budget: RetryBudget = attrs.field(factory=RetryBudget)
    leases: OpenLeases = attrs.field(factory=OpenLeases)
    answers: Answers = attrs.field(factory=Answers)
    hedging: dict[str, Hedging] = attrs.field(factory=lambda: defaultdict(Hedging))
    # Models, and where they are asked, that do not take what we add to a request.
    plain: set[tuple[str, str]] = attrs.field(factory=set)


@attrs.define(eq=False)
class Asking:
    """Begun with a lease, ended when the answer is whole or given up.

    Ended without `failure` and without `finished`, it was given up, most often since
    the client went away: that counts once the provider has the request, and says
    nothing of its health.
    """

    model: Model
    _purse: Purse
    _lease: Lease
    _ports: Ports
    _trail: Trail
    failure: UpstreamFailed | None = None
    finished: bool = False
    sent: bool = False  # the provider may have the request
    dropped: tuple[str, ...] = ()  # of the client's fields, by the dialect
    hurried: bool = False  # it had less time than it is usually given
    probes: bool = False  # whether its candidate is well again
    outrun: bool = False  # given up because another had begun before
    started: float = 0.0  # a steady moment
    ended: bool = False  # settled, or about to be
    usage: Usage | None = None
    rest: float = 0.0  # seconds its quota rests, once the provider limited us
    _begun: bool = False  # the client has part of the answer
    _heard: tuple[tuple[Budget, tuple[Heard, ...]], ...] = ()  # at `_heard_at`
    _heard_at: float = 0.0
    _exchange: AbstractAsyncContextManager[UpstreamReply] | None = None

    @property
    def rooms(self) -> tuple[Room, ...]:
        """What its quotas have left."""
        return self._lease.rooms

    def now(self) -> float:
        """A steady moment."""
        return self._ports.clock.steady()

    @property
    def plain(self) -> bool:
        """Whether it is known not to take what we add."""
        known = self._ports.plain
        return bool(known) and (self.model.name, self.model.upstream.url) in known

    def keep_plain(self) -> None:
        """Add nothing for it any more, for as long as this process lasts."""
        self._ports.plain.add((self.model.name, self.model.upstream.url))

    async def begin(self) -> None:
        ports = self._ports
        ports.budget.begin(self.model.provider)
        ports.leases.add(self._lease)
        try:
            self.probes = await ports.breakers.asked(self.model.name)
        except BaseException:
            ports.budget.end(self.model.provider)
            ports.leases.remove(self._lease)
            await ports.quotas.release(self._lease)
            raise
        self.started = ports.clock.steady()

    async def opened(
        self, exchange: AbstractAsyncContextManager[UpstreamReply]
    ) -> UpstreamReply:
        """Open an exchange, which is closed when this ends."""
        try:
            reply = await exchange.__aenter__()
        except BaseException:
            # Not every transport knows; then we have to think that it was.
            self.sent = getattr(exchange, "sent", True)
            raise
        self._exchange = exchange
        return reply

    def reached(self) -> None:
        """The provider has begun to answer. An end, if that is now, says so too."""
        self._ports.quotas.reached(self._lease)

    def hear(self, head: UpstreamHead) -> None:
        """Note what the provider says of its quotas."""
        headers = head.headers
        told = [m for m in self.model.meters if not m.names.isdisjoint(headers)]
        if told:
            clock = self._ports.clock
            self._heard_at, wall = clock.steady(), clock.wall()
            self._heard = tuple(
                (each.budget, meters.read(headers, each.meters, wall)) for each in told
            )

    def drop(self, fields: tuple[str, ...]) -> None:
        """Note the client's fields that the dialect has no words for.

        Raises:
            UpstreamFailed: the model takes a request as it is, or not at all.
        """
        if fields and self.model.strict:
            name, row = self.model.name, failures.UNSUPPORTED
            raise UpstreamFailed(
                message=f"{name}: {row.said}: {', '.join(fields)}.",
                failure=row,
                model=name,
                param=fields[0],
            )
        self.dropped += fields

    async def end(self) -> None:
        """Hang up, if that is still to do, and settle what was taken; once."""
        if self.ended:
            return
        self.ended = True
        self._ports.budget.end(self.model.provider)
        try:
            if self._exchange is not None:
                await self._exchange.__aexit__(None, None, None)
        finally:
            await self._settle()

    async def _settle(self) -> None:
        breakers, name, failure = self._ports.breakers, self.model.name, self.failure
        self._note()  # first: a client may leave while a store is waited for
        if failure is not None and not self.hurried:
            await breakers.failed(name, failure.failure)
        elif self.finished:
            await breakers.succeeded(name)
        else:
            await breakers.excused(name)
        await self._pay()

    async def _pay(self) -> None:
        """Say to the quotas what became of what was taken from them."""
        quotas, lease, failure = self._ports.quotas, self._lease, self.failure
        self._ports.leases.remove(lease)
        usage = self.usage
        if not self.sent:
            await quotas.release(lease)
        elif failure is None or self._begun:
            self._ports.answers.learn(self.model, usage)
            await quotas.settle(lease, self._purse.actual(usage, lease.cost))
        elif failure.failure.counts:
            await quotas.settle(lease, None, Outcome.ERROR)
        elif failure.failure is failures.RATE_LIMIT:
            await quotas.settle(lease, None, Outcome.REFUSAL)
        else:
            await quotas.release(lease)
        if self._heard:
            await self._learn()
        if failure is not None and failure.failure is failures.RATE_LIMIT:
            await self._rest(failure.retry_after)

    def finish(self, usage: Usage | None) -> None:
        """The answer is whole."""
        self.finished = self._trail.whole = True
        self.usage = self._trail.usage = usage

    def break_off(self, failure: UpstreamFailed, usage: Usage | None) -> None:
        """The answer had begun and cannot go on; the client is told in its stream."""
        self.failure = failure
        self._begun = True
        self.usage = self._trail.usage = usage
        self._trail.broken = failure.told.code

    async def _learn(self) -> None:
        """Tell the quotas what the provider said of them, unless it is too long ago."""
        age = self._ports.clock.steady() - self._heard_at
        for budget, heard in self._heard:
            news = meters.later(heard, age)
            if news:
                await self._ports.quotas.learn(budget, news)

    async def _rest(self, seconds: float | None) -> None:
        """The provider limits us, for `seconds` if it said how long."""
        if self.model.budgets:
            own = self.model.budgets[0]
            self.rest = await self._ports.quotas.rest(own, seconds)

    def _note(self) -> None:
        failure, detail = self.failure, ""
        if failure is not None:
            outcome, detail = failure.failure.name, failure.detail
        elif self.outrun:
            outcome = "outrun"
        else:
            outcome = "answered" if self.finished else "left"
        self._trail.attempts.append(
            Attempt(
                model=self.model.name,
                provider=self.model.provider,
                outcome=outcome,
                seconds=self._ports.clock.steady() - self.started,
                detail=detail,
            )
        )
