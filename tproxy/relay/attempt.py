"""One candidate being asked: its lease and its breaker are settled when that ends."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import attrs

from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.events import Attempt
from tproxy.core.model import Model
from tproxy.core.state import Breakers, Clock, Lease, QuotaStore
from tproxy.core.upstream import UpstreamReply, Usage
from tproxy.relay.budget import RetryBudget
from tproxy.relay.trail import Trail


@attrs.define(eq=False)
class Asking:
    """Begun with a lease, ended when the answer is whole or given up.

    Ended without `failure` and without `finished`, it was the client who went away:
    that counts once the provider has the request, and says nothing of its health.
    """

    model: Model
    _lease: Lease
    _quotas: QuotaStore
    _breakers: Breakers
    _clock: Clock
    _trail: Trail
    _budget: RetryBudget
    failure: UpstreamFailed | None = None
    finished: bool = False
    sent: bool = False  # the provider may have the request
    dropped: tuple[str, ...] = ()  # of the client's fields, by the dialect
    hurried: bool = False  # it had less time than it is usually given
    rest: float = 0.0  # seconds its quota rests, once the provider limited us
    _begun: bool = False  # the client has part of the answer
    _started: float = 0.0
    _exchange: AbstractAsyncContextManager[UpstreamReply] | None = None
    _ended: bool = False

    async def begin(self) -> None:
        self._started = self._clock.steady()
        self._budget.begin(self.model.provider)
        try:
            await self._breakers.asked(self.model.name)
        except BaseException:
            self._budget.end(self.model.provider)
            await self._quotas.release(self._lease)
            raise

    async def opened(
        self, exchange: AbstractAsyncContextManager[UpstreamReply]
    ) -> UpstreamReply:
        """Open an exchange, which is closed when this ends."""
        reply = await exchange.__aenter__()
        self._exchange = exchange
        return reply

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
        if self._ended:
            return
        self._ended = True
        self._budget.end(self.model.provider)
        try:
            if self._exchange is not None:
                await self._exchange.__aexit__(None, None, None)
        finally:
            await self._settle()

    async def _settle(self) -> None:
        name, failure = self.model.name, self.failure
        if failure is not None and not self.hurried:
            await self._breakers.failed(name, failure.failure)
        elif self.finished:
            await self._breakers.succeeded(name)
        else:
            await self._breakers.excused(name)
        if self.sent and (failure is None or failure.failure.counts or self._begun):
            await self._quotas.settle(self._lease)
        else:
            await self._quotas.release(self._lease)
        if failure is not None and failure.failure is failures.RATE_LIMIT:
            await self._rest(failure.retry_after)
        self._note()

    def finish(self, usage: Usage | None) -> None:
        """The answer is whole."""
        self.finished = True
        self._trail.usage = usage

    def break_off(self, failure: UpstreamFailed, usage: Usage | None) -> None:
        """The answer had begun and cannot go on; the client is told in its stream."""
        self.failure = failure
        self._begun = True
        self._trail.usage = usage
        self._trail.broken = failure.told.code

    async def _rest(self, seconds: float | None) -> None:
        """The provider limits us, for `seconds` if it said how long."""
        if self.model.pools:
            self.rest = await self._quotas.rest(self.model.pools[0], seconds)

    def _note(self) -> None:
        failure = self.failure
        if failure is not None:
            outcome, detail = failure.failure.name, failure.detail
        else:
            outcome, detail = ("answered" if self.finished else "left"), ""
        self._trail.attempts.append(
            Attempt(
                model=self.model.name,
                provider=self.model.provider,
                outcome=outcome,
                seconds=self._clock.steady() - self._started,
                detail=detail,
            )
        )
