"""The state ports in one process's memory. Exact, and gone with the process.

No method awaits, so each runs whole between two turns of the event loop: check and
take are one step.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

import attrs

from tproxy.core.breaker import CLOSED, Breaker, BreakerPolicy
from tproxy.core.failures import Failure
from tproxy.core.quota import MINUTE, Kind, Pool, Room, Window
from tproxy.core.state import Clock, Denial, Lease, LeaseId
from tproxy.state.calm import CalmClock
from tproxy.state.counters import Day, Rest, Rolling, Take

_MOST_PLANS = 10_000


@attrs.define(eq=False)
class _Counters:
    """One pool's counters, by window length and by zone; and its rest."""

    rolling: dict[int, Rolling] = attrs.field(factory=dict)
    days: dict[str, tuple[Day, Day]] = attrs.field(factory=dict)
    rest: Rest = attrs.field(factory=Rest)


@attrs.frozen(eq=False)
class _Plan:
    """What a request against certain pools has to look at, gathered once.

    `days` are counted by two wall clocks, as `MemoryQuotas` says. `pools` is kept so
    that its identity stays its own.
    """

    pools: Sequence[Pool]
    rests: tuple[tuple[Rest, Pool], ...]
    logs: tuple[tuple[Rolling, Window, Pool], ...]
    days: tuple[tuple[Day, Day, Window, Pool], ...]


@attrs.frozen(eq=False)
class _Taken:
    """Where a lease has taken a place."""

    take: Take
    plan: _Plan
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
    _plans: dict[int, _Plan] = attrs.field(factory=dict, init=False)
    _open: dict[LeaseId, _Taken] = attrs.field(factory=dict, init=False)
    _ids: itertools.count[int] = attrs.field(factory=itertools.count, init=False)

    def __attrs_post_init__(self) -> None:
        self._calm = CalmClock(self._clock)

    async def reserve(self, pools: Sequence[Pool]) -> Lease | Denial:
        now, plan = self._clock.steady(), self._plan(pools)
        denial = self._denial(plan, now)
        if denial is not None:
            return denial
        lease_id = LeaseId(next(self._ids))
        take = Take(now)
        for rest, _ in plan.rests:
            rest.admit(lease_id, now)
        for log, _, _ in plan.logs:
            log.add(take)
        days: list[tuple[Day, int]] = []
        for by_wall, by_calm, _, _ in plan.days:
            by_wall.count += 1
            by_calm.count += 1
            days += ((by_wall, by_wall.number), (by_calm, by_calm.number))
        self._open[lease_id] = _Taken(take, plan, tuple(days))
        return Lease(lease_id, tuple(pools), self._tightest(plan, now))

    async def settle(self, lease: Lease) -> None:
        taken = self._open.pop(lease.id, None)
        if taken is None:
            return
        for rest, _ in taken.plan.rests:
            rest.ended(lease.id, served=True)

    async def release(self, lease: Lease) -> None:
        taken = self._open.pop(lease.id, None)
        if taken is None:
            return
        taken.take.live = False
        for log, _, _ in taken.plan.logs:
            log.give_back(taken.take)
        for day, number in taken.days:
            day.give_back(number)
        for rest, _ in taken.plan.rests:
            rest.ended(lease.id, served=False)

    async def rest(self, pool: Pool, seconds: float | None) -> float:
        longest = max((window.seconds for window in pool.windows), default=MINUTE)
        rest = self._counters(pool).rest
        return rest.begin(seconds, self._clock.steady(), longest)

    async def waits(self, pools: Sequence[Sequence[Pool]]) -> list[float]:
        now = self._clock.steady()
        denials = [self._denial(self._plan(group), now) for group in pools]
        return [0.0 if denial is None else denial.wait for denial in denials]

    async def room(self, pools: Sequence[Pool]) -> Room | None:
        now, plan = self._clock.steady(), self._plan(pools)
        self._denial(plan, now)  # lets go of what is over
        return self._tightest(plan, now)

    def _denial(self, plan: _Plan, now: float) -> Denial | None:
        """What has to be waited for longest; None if all can give one request now."""
        pool_name = window_name = ""
        longest = 0.0
        for rest, pool in plan.rests:
            wait = rest.wait(now)
            if wait > longest:
                pool_name, window_name, longest = pool.name, "rest", wait
        for log, window, pool in plan.logs:
            log.expire(now)
            if log.live >= window.limit:
                wait = log.wait(now, window.limit)
                if wait > longest:
                    pool_name, window_name, longest = pool.name, window.label, wait
        for by_wall, by_calm, window, pool in plan.days:
            wait = max(by_wall.wait(window.limit), by_calm.wait(window.limit))
            if wait > longest:
                pool_name, window_name, longest = pool.name, window.label, wait
        return Denial(pool_name, window_name, longest) if longest > 0 else None

    def _tightest(self, plan: _Plan, now: float) -> Room | None:
        """The window with the least left, just after `_denial` has looked at all."""
        tightest: Window | None = None
        least = resets_in = 0.0
        for log, window, _ in plan.logs:
            left = window.limit - log.live
            if tightest is None or left < least:
                tightest, least, resets_in = window, left, log.empty_in(now)
        for by_wall, by_calm, window, _ in plan.days:
            left = window.limit - max(by_wall.count, by_calm.count)
            if tightest is None or left < least:
                tightest, least = window, left
                resets_in = max(by_wall.empty_in(), by_calm.empty_in())
        if tightest is None:
            return None
        return Room(tightest.limit, max(int(least), 0), resets_in)

    def _plan(self, pools: Sequence[Pool]) -> _Plan:
        plan = self._plans.get(id(pools))
        if plan is None or plan.pools is not pools:
            if len(self._plans) >= _MOST_PLANS:  # reloads leave their own behind
                self._plans.clear()
            plan = self._plans[id(pools)] = self._made(pools)
        return plan

    def _made(self, pools: Sequence[Pool]) -> _Plan:
        logs: list[tuple[Rolling, Window, Pool]] = []
        days: list[tuple[Day, Day, Window, Pool]] = []
        for pool in pools:
            counters = self._counters(pool)
            for window in pool.windows:
                if window.kind is Kind.ROLLING:
                    log = counters.rolling.get(window.seconds)
                    if log is None:
                        log = counters.rolling[window.seconds] = Rolling(window.seconds)
                    logs.append((log, window, pool))
                else:
                    days.append((*self._days(counters, window), window, pool))
        rests = tuple((self._counters(pool).rest, pool) for pool in pools)
        return _Plan(pools, rests, tuple(logs), tuple(days))

    def _counters(self, pool: Pool) -> _Counters:
        counters = self._pools.get(pool.name)
        if counters is None:
            counters = self._pools[pool.name] = _Counters()
        return counters

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
    _chance: Callable[[], float] = random.random
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
            after = breaker.succeeded(self._clock.steady(), self._policy)
            if after is CLOSED:
                del self._by_model[model]
            else:
                self._by_model[model] = after

    async def failed(self, model: str, failure: Failure) -> None:
        breaker = self._by_model.get(model, CLOSED)
        self._by_model[model] = breaker.failed(
            failure.rest, self._clock.steady(), self._policy, self._chance()
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
