"""Ports that do as a test tells them, and a loop on which waiting takes no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import attrs

from tproxy.core import failures
from tproxy.core.breaker import BreakerState, State
from tproxy.core.budget import ONE, Budget, Cost, Outcome
from tproxy.core.failures import Failure
from tproxy.core.leases import (
    LEASE_SECONDS,
    BudgetState,
    Denial,
    Heard,
    Lease,
    LeaseId,
    Room,
    Want,
)
from tproxy.core.model import Patience, Upstream
from tproxy.core.upstream import (
    Broken,
    Sink,
    UpstreamHead,
    UpstreamReply,
    UpstreamRequest,
)


@attrs.define(eq=False)
class Gate:
    """Holds up the call of a port named `at` for ever, and tells that it is there."""

    at: str = ""
    reached: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def passing(self, place: str) -> None:
        await asyncio.sleep(0)  # any port may let others run
        if place == self.at:
            self.reached.set()
            await asyncio.Event().wait()


@attrs.define(eq=False)
class FakeQuotas:
    """`core.state.QuotaStore` that admits all, but as often as `denials` has a wait.

    All by pool name. `free_in` is what `waits` tells; a rest adds to it. `parts` are
    what is left, for `headroom`.
    """

    gate: Gate = attrs.field(factory=Gate)
    denials: dict[str, list[float]] = attrs.field(factory=dict)
    free_in: dict[str, float] = attrs.field(factory=dict)
    parts: dict[str, float] = attrs.field(factory=dict)
    left: Room | None = None
    reserved: list[Lease] = attrs.field(factory=list)
    settled: list[str] = attrs.field(factory=list)
    released: list[str] = attrs.field(factory=list)
    unheard: list[str] = attrs.field(factory=list)
    answering: list[str] = attrs.field(factory=list)
    costs: list[Cost | None] = attrs.field(factory=list)
    extended: list[tuple[LeaseId, ...]] = attrs.field(factory=list)
    rests: list[tuple[str, float | None]] = attrs.field(factory=list)

    async def reserve(
        self,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Lease | Denial:
        await self.gate.passing("quotas.reserve")
        for pool in budgets:
            if self.denials.get(pool.name):
                return Denial(pool.name, "minute", self.denials[pool.name].pop(0))
        rooms = () if self.left is None else (self.left,)
        number = LeaseId(str(len(self.reserved)))
        lease = Lease(number, tuple(budgets), cost, rooms)
        self.reserved.append(lease)
        return lease

    def reached(self, lease: Lease) -> None:
        self.answering.append(lease.budgets[0].name)

    def split(self, part: Lease, rest: Lease) -> None:
        """It lasts as long as both."""

    async def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
        *,
        heard: bool = True,
    ) -> None:
        await self.gate.passing("quotas.settle")
        if not heard:
            self.unheard.append(lease.budgets[0].name)
        self.costs.append(actual)
        counted = outcome in lease.budgets[0].counts
        ended = self.settled if counted else self.released
        ended.append(lease.budgets[0].name)

    async def release(self, lease: Lease) -> None:
        await self.gate.passing("quotas.release")
        self.released.append(lease.budgets[0].name)

    async def extend(
        self, leases: Sequence[Lease], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        self.extended.append(tuple(lease.id for lease in leases))

    async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
        """Nothing to learn."""

    async def rest(self, pool: Budget, seconds: float | None) -> float:
        await self.gate.passing("quotas.rest")
        self.rests.append((pool.name, seconds))
        self.free_in[pool.name] = 1.0 if seconds is None else seconds
        return self.free_in[pool.name]

    async def waits(self, wants: Sequence[Want]) -> list[float]:
        await self.gate.passing("quotas.waits")
        return [
            max((self.free_in.get(pool.name, 0.0) for pool in budgets), default=0.0)
            for budgets, _ in wants
        ]

    async def headroom(self, wants: Sequence[Want]) -> list[float]:
        await self.gate.passing("quotas.headroom")
        return [
            min((self.parts.get(pool.name, 1.0) for pool in budgets), default=1.0)
            for budgets, _ in wants
        ]

    async def room(
        self, budgets: Sequence[Budget], cost: Cost = ONE
    ) -> tuple[Room, ...]:
        return () if self.left is None else (self.left,)

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        return ()


@attrs.define(eq=False)
class FakeBreakers:
    """`core.state.Breakers`. By model: rests now, and rests that failures open."""

    gate: Gate = attrs.field(factory=Gate)
    rests: dict[str, float] = attrs.field(factory=dict)
    opens: dict[str, float] = attrs.field(factory=dict)
    told: list[tuple[str, str]] = attrs.field(factory=list)

    async def resting(self, models: Sequence[str]) -> list[float]:
        await self.gate.passing("breakers.resting")
        return [self.rests.get(model, 0.0) for model in models]

    async def states(self, models: Sequence[str]) -> list[BreakerState]:
        rests = [self.rests.get(model, 0.0) for model in models]
        return [BreakerState(State.OPEN, r) if r else BreakerState() for r in rests]

    def asked(self, model: str) -> bool:
        self.told.append((model, "asked"))
        return False

    def succeeded(self, model: str) -> None:
        self.told.append((model, "succeeded"))

    def failed(self, model: str, failure: Failure) -> None:
        self.told.append((model, failure.name))
        if model in self.opens:
            self.rests[model] = self.opens[model]

    def excused(self, model: str) -> None:
        self.told.append((model, "excused"))

    def relieve(self, model: str) -> None:
        self.told.append((model, "relieved"))
        self.rests.pop(model, None)


@attrs.frozen
class Silence:
    """Nothing comes, and nothing ends."""


@attrs.frozen
class Late:
    """What comes after so many seconds."""

    seconds: float
    data: bytes


@attrs.frozen
class Script:
    """What one exchange brings: a head, then reads. A `Broken` among them is raised."""

    reads: Sequence[bytes | Broken | Silence | Late] = ()
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)


Act = Script | Broken | Silence


@attrs.define
class _Reply:
    _script: Script
    _gate: Gate
    _due: float
    _read: int = 0

    @property
    def head(self) -> UpstreamHead:
        return UpstreamHead(self._script.status, self._script.headers)

    async def read(self, sink: Sink | None = None) -> bytes:
        async with by(self._due):
            while self._read < len(self._script.reads):
                number, self._read = self._read, self._read + 1
                await self._gate.passing(f"read {number}")
                data = b""
                match self._script.reads[number]:
                    case Broken() as broken:
                        raise broken
                    case Silence():
                        await asyncio.Event().wait()
                    case Late(seconds, data):
                        await asyncio.sleep(seconds)
                    case bytes() as data:
                        pass
                if data and not (sink is not None and sink(data)):
                    return data
        return b""


@asynccontextmanager
async def by(due: float) -> AsyncIterator[None]:
    """What takes longer has timed out."""
    try:
        async with asyncio.timeout_at(due):
            yield
    except TimeoutError:
        raise Broken(failures.TIMED_OUT, "not whole in time") from None


@attrs.define(eq=False)
class FakeTransport:
    """`core.upstream.Transport` by script: host names to acts, one for each request.

    The last act goes for all further requests too. `under_way` is empty once every
    exchange has been closed by whoever opened it.
    """

    acts: Mapping[str, Sequence[Act]]
    gate: Gate = attrs.field(factory=Gate)
    asked: list[str] = attrs.field(factory=list)
    requests: list[UpstreamRequest] = attrs.field(factory=list)
    patience: list[Patience] = attrs.field(factory=list)
    under_way: set[object] = attrs.field(factory=set)

    def close(self) -> None:
        """Nothing is kept."""

    @asynccontextmanager
    async def open(
        self, request: UpstreamRequest, upstream: Upstream, patience: Patience
    ) -> AsyncIterator[UpstreamReply]:
        host = urlsplit(request.url).hostname or ""
        acts = self.acts[host]
        act = acts[min(self.asked.count(host), len(acts) - 1)]
        self.asked.append(host)
        self.requests.append(request)
        self.patience.append(patience)
        due = asyncio.get_running_loop().time() + patience.whole
        exchange = object()
        self.under_way.add(exchange)
        try:
            async with by(due):
                await self.gate.passing("transport.open")
                if isinstance(act, Broken):
                    raise act
                if isinstance(act, Silence):
                    await asyncio.Event().wait()
                    raise AssertionError
            yield _Reply(act, self.gate, due)
        finally:
            self.under_way.discard(exchange)
