"""The state ports in one process's memory. Exact, and gone with the process.

No method awaits, so each runs whole between two turns of the event loop: check and
take are one step.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import attrs

from tproxy.core.breaker import CLOSED, Breaker, BreakerPolicy
from tproxy.core.failures import Failure
from tproxy.core.quota import MINUTE, Kind, Pool, Room, Window
from tproxy.core.state import Clock, Denial, Lease, LeaseId
from tproxy.state.calm import CalmClock
from tproxy.state.counters import Day, Rest, Rolling, Take


@attrs.define(eq=False)
class _Counters:
    """One pool's counters, by window length and by zone; and its rest."""

    rolling: dict[int, Rolling] = attrs.field(factory=dict)
    days: dict[str, tuple[Day, Day]] = attrs.field(factory=dict)
    rest: Rest = attrs.field(factory=Rest)


@attrs.frozen(eq=False)
class _Taken:
    """Where a lease has taken a place."""

    take: Take
    logs: tuple[Rolling, ...]
    days: tuple[tuple[Day, int], ...]


@attrs.define(eq=False)
class MemoryQuotas:
    """`core.state.QuotaStore` in memory.

    A calendar window counts its day twice, by the machine's wall clock and by a calm
    one, and has room where both have.
    """

    _clock: Clock
    _calm: CalmClock = attrs.field(init=False)
    _pools: dict[str, _Counters] = attrs.field(factory=dict, init=False)
    _open: dict[LeaseId, _Taken] = attrs.field(factory=dict, init=False)
    _ids: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def __attrs_post_init__(self) -> None:
        self._calm = CalmClock(self._clock)

    async def reserve(self, pools: Sequence[Pool]) -> Lease | Denial:
        now = self._clock.steady()
        denial = self._denial(pools, now)
        if denial is not None:
            return denial
        lease_id = LeaseId(next(self._ids))
        take = Take(now)
        logs: list[Rolling] = []
        days: list[tuple[Day, int]] = []
        for pool in pools:
            counters = self._counters(pool)
            counters.rest.admit(lease_id, now)
            for window in pool.windows:
                if window.kind is Kind.ROLLING:
                    log = counters.rolling[window.seconds]
                    log.add(take)
                    logs.append(log)
                    continue
                for day in counters.days[window.zone]:
                    day.count += 1
                    days.append((day, day.number))
        self._open[lease_id] = _Taken(take, tuple(logs), tuple(days))
        return Lease(lease_id, tuple(pools), self._tightest(pools, now))

    async def settle(self, lease: Lease) -> None:
        if self._open.pop(lease.id, None) is None:
            return
        for pool in lease.pools:
            self._counters(pool).rest.ended(lease.id, served=True)

    async def release(self, lease: Lease) -> None:
        taken = self._open.pop(lease.id, None)
        if taken is None:
            return
        taken.take.live = False
        for log in taken.logs:
            log.give_back(taken.take)
        for day, number in taken.days:
            day.give_back(number)
        for pool in lease.pools:
            self._counters(pool).rest.ended(lease.id, served=False)

    async def rest(self, pool: Pool, seconds: float | None) -> float:
        longest = max((window.seconds for window in pool.windows), default=MINUTE)
        rest = self._counters(pool).rest
        return rest.begin(seconds, self._clock.steady(), longest)

    async def waits(self, pools: Sequence[Sequence[Pool]]) -> list[float]:
        now = self._clock.steady()
        denials = (self._denial(group, now) for group in pools)
        return [0.0 if denial is None else denial.wait for denial in denials]

    async def room(self, pools: Sequence[Pool]) -> Room | None:
        return self._tightest(pools, self._clock.steady())

    def _tightest(self, pools: Sequence[Pool], now: float) -> Room | None:
        rooms = [
            self._room(self._counters(pool), window, now)
            for pool in pools
            for window in pool.windows
        ]
        return min(rooms, key=lambda room: room.remaining, default=None)

    def _denial(self, pools: Sequence[Pool], now: float) -> Denial | None:
        """What has to be waited for longest; None if all can give one request now."""
        pool_name = window_name = ""
        longest = 0.0
        for pool in pools:
            counters = self._counters(pool)
            rest = counters.rest.wait(now)
            if rest > longest:
                pool_name, window_name, longest = pool.name, "rest", rest
            for window in pool.windows:
                wait = self._wait(counters, window, now)
                if wait > longest:
                    pool_name, window_name, longest = pool.name, window.label, wait
        return Denial(pool_name, window_name, longest) if longest > 0 else None

    def _wait(self, counters: _Counters, window: Window, now: float) -> float:
        if window.kind is Kind.ROLLING:
            return self._log(counters, window, now).wait(now, window.limit)
        by_wall, by_calm = self._days(counters, window)
        return max(by_wall.wait(window.limit), by_calm.wait(window.limit))

    def _room(self, counters: _Counters, window: Window, now: float) -> Room:
        if window.kind is Kind.ROLLING:
            log = self._log(counters, window, now)
            used, resets_in = log.live, log.empty_in(now)
        else:
            days = self._days(counters, window)
            resets_in = max(day.empty_in() for day in days)
            used = max(day.count for day in days)
        return Room(window.limit, max(window.limit - used, 0), resets_in)

    def _counters(self, pool: Pool) -> _Counters:
        counters = self._pools.get(pool.name)
        if counters is None:
            counters = self._pools[pool.name] = _Counters()
        return counters

    def _log(self, counters: _Counters, window: Window, now: float) -> Rolling:
        log = counters.rolling.get(window.seconds)
        if log is None:
            log = counters.rolling[window.seconds] = Rolling(window.seconds)
        log.expire(now)
        return log

    def _days(self, counters: _Counters, window: Window) -> tuple[Day, Day]:
        days = counters.days.get(window.zone)
        if days is None:
            by_wall = Day(self._clock.wall, window.zone)
            days = (by_wall, Day(self._calm.wall, window.zone))
            counters.days[window.zone] = days
        return days


@attrs.define(eq=False)
class MemoryBreakers:
    """`core.state.Breakers` in memory."""

    _clock: Clock
    _policy: BreakerPolicy = BreakerPolicy()
    _by_model: dict[str, Breaker] = attrs.field(factory=dict, init=False)

    async def resting(self, models: Sequence[str]) -> list[float]:
        now = self._clock.steady()
        return [self._by_model.get(name, CLOSED).resting_for(now) for name in models]

    async def asked(self, model: str) -> None:
        breaker = self._by_model.get(model)
        if breaker is not None:
            self._by_model[model] = breaker.asked(self._clock.steady(), self._policy)

    async def succeeded(self, model: str) -> None:
        breaker = self._by_model.get(model)
        if breaker is not None:
            self._by_model[model] = breaker.succeeded()

    async def failed(self, model: str, failure: Failure) -> None:
        breaker = self._by_model.get(model, CLOSED)
        self._by_model[model] = breaker.failed(
            failure.rest, self._clock.steady(), self._policy
        )

    async def excused(self, model: str) -> None:
        breaker = self._by_model.get(model)
        if breaker is not None:
            self._by_model[model] = breaker.excused()


@attrs.define(eq=False)
class MemoryTurns:
    """`core.state.Turns` in memory."""

    _by_model: dict[str, int] = attrs.field(factory=dict, init=False)
    _next: itertools.count[int] = attrs.field(
        factory=lambda: itertools.count(1), init=False
    )

    def last(self, model: str) -> int:
        return self._by_model.get(model, 0)

    def take(self, model: str) -> None:
        self._by_model[model] = next(self._next)
