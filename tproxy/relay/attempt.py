"""One candidate being asked: its lease and its breaker are settled when that ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Mapping
from contextlib import AbstractAsyncContextManager

import attrs

from tproxy.core import failures
from tproxy.core.budget import Outcome
from tproxy.core.errors import UpstreamFailed
from tproxy.core.events import Attempt
from tproxy.core.hedging import Hedging
from tproxy.core.leases import Lease, QuotaStore, Room
from tproxy.core.model import Model
from tproxy.core.pace import Paces
from tproxy.core.state import Breakers, Clock
from tproxy.core.upstream import UpstreamHead, UpstreamReply, Usage
from tproxy.relay.budget import RetryBudget
from tproxy.relay.cost import Answers, Purse
from tproxy.relay.fare import Fare
from tproxy.relay.leases import OpenLeases
from tproxy.relay.lessons import Lessons
from tproxy.relay.trail import Trail

_ANSWER = Outcome.ANSWER  # to look up a member of an enum takes long


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
    paces: Paces = attrs.field(factory=Paces)
    lessons: Lessons = attrs.field(init=False)

    @lessons.default
    def _taught(self) -> Lessons:
        return Lessons(self.quotas, self.clock)


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
    _fare: Fare | None = None
    failure: UpstreamFailed | None = None
    finished: bool = False
    sent: bool = False  # the provider may have the request
    answering: bool = False  # and has begun to answer it
    dropped: tuple[str, ...] = ()  # of the client's fields, by the dialect
    hurried: bool = False  # it had less time than it is usually given
    probes: bool = False  # whether its candidate is well again
    outrun: bool = False  # given up because another had begun before
    started: float = 0.0  # a steady moment
    ended: bool = False  # settled, or about to be
    usage: Usage | None = None
    rest: float = 0.0  # seconds its quota rests, once the provider limited us
    _begun: bool = False  # the client has part of the answer
    _heard: tuple[float, Mapping[str, str]] | None = None  # when, and not told yet
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

    def begin(self) -> None:
        ports = self._ports
        ports.budget.begin(self.model.provider)
        ports.leases.add(self._lease)
        self.probes = ports.breakers.asked(self.model.name)
        self.started = ports.clock.steady()

    def opened(
        self, exchange: AbstractAsyncContextManager[UpstreamReply]
    ) -> Awaitable[UpstreamReply]:
        """Send by an exchange, which is closed when this ends; then `hear` its head."""
        self.sent = True
        self._exchange = exchange
        return exchange.__aenter__()

    def reached(self) -> None:
        """The provider has begun to answer. An end, if that is now, says so too."""
        self.answering = True  # whatever comes of telling it
        self._ports.quotas.reached(self._lease)

    def hear(self, head: UpstreamHead, *, whole: bool = False) -> None:
        """It has begun to answer. What it says of its quotas is told.

        At once; or, of an answer in one piece, when its tokens are settled.
        """
        self.answering = True
        headers = head.headers
        for metered in self.model.meters:
            if not metered.names.isdisjoint(headers):
                self._heard = heard = self.now(), headers
                if not whole:
                    self._teach(*heard)
                return

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
        exchange = self._exchange
        try:
            if exchange is not None and self.answering:
                await exchange.__aexit__(None, None, None)
            elif exchange is not None:
                # Not every transport knows; then we have to think that it was.
                self.sent = getattr(exchange, "sent", True)
        finally:
            self._note()  # first: a client may leave while a store is waited for
            await self._pay()

    async def _pay(self) -> None:
        """Say to the quotas what became of what was taken from them."""
        quotas, lease, failure = self._ports.quotas, self._lease, self.failure
        usage, outcome, fare = self.usage, self._outcome(), self._fare
        if fare is not None:
            lease = fare.after(lease, outcome, others=self._is_left_behind())
        self._ports.leases.remove(lease)
        try:
            if outcome is _ANSWER:
                self._ports.answers.learn(self.model, usage)
                cost = self._purse.actual(usage, lease.cost)
                await quotas.settle(lease, cost, heard=self.answering)
            elif outcome is not None:
                await quotas.settle(lease, None, outcome, heard=self.answering)
            else:
                await quotas.release(lease)
        finally:
            if fare is not None and outcome is _ANSWER and not self.outrun:
                await fare.answered(self._purse, usage)
        if self._heard is not None:
            self._teach(*self._heard)
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

    def _teach(self, at: float, headers: Mapping[str, str]) -> None:
        self._heard = None
        self._ports.lessons.hear(at, headers, self.model.meters)

    def _outcome(self) -> Outcome | None:
        """As quotas count it; None where the provider has not worked for it."""
        failure = self.failure
        if not self.sent:
            return None
        if failure is None or self._begun:
            return _ANSWER
        if failure.failure.counts:
            return Outcome.ERROR
        return Outcome.REFUSAL if failure.failure is failures.RATE_LIMIT else None

    def _is_left_behind(self) -> bool:
        """Whether others are asked for the same request, or may be."""
        failure = self.failure
        if failure is None or self._begun:
            return self.outrun
        return self.outrun or failure.failure.onward

    async def _rest(self, seconds: float | None) -> None:
        """The provider limits us, for `seconds` if it said how long."""
        if self.model.budgets:
            own = self.model.budgets[0]
            self.rest = await self._ports.quotas.rest(own, seconds)

    def _note(self) -> None:
        """What came of it: for the log, and for the health of its candidate."""
        model, ports, failure, detail = self.model, self._ports, self.failure, ""
        if failure is not None:
            outcome, detail = failure.failure.name, failure.detail
        elif self.outrun:
            outcome = "outrun"
        else:
            outcome = "answered" if self.finished else "left"
        seconds = ports.clock.steady() - self.started
        attempt = Attempt(model.name, model.provider, outcome, seconds, detail)
        self._trail.attempts.append(attempt)
        if failure is not None and not self.hurried:
            ports.breakers.failed(model.name, failure.failure)
        elif self.finished:
            ports.breakers.succeeded(model.name)
        else:
            ports.breakers.excused(model.name)
