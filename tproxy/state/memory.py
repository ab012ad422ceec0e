"""What one process remembers of health, starts and turns; gone when it ends."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

import attrs

from tproxy.core.breaker import CLOSED, Breaker, BreakerPolicy, BreakerState
from tproxy.core.failures import Failure
from tproxy.core.state import Clock
from tproxy.core.windows import seconds_until


@attrs.define(eq=False)
class MemoryBreakers:
    """`core.state.Breakers` in memory."""

    _clock: Clock
    _policy: BreakerPolicy = BreakerPolicy()
    _chance: Callable[[], float] = random.random
    _by_model: dict[str, Breaker] = attrs.field(factory=dict, init=False)

    async def resting(self, models: Sequence[str]) -> list[float]:
        if not self._by_model:  # all are well
            return [0.0] * len(models)
        now = self._clock.steady()
        return [self._by_model.get(name, CLOSED).resting_for(now) for name in models]

    async def states(self, models: Sequence[str]) -> list[BreakerState]:
        now = self._clock.steady()
        return [self._by_model.get(name, CLOSED).state(now) for name in models]

    def asked(self, model: str) -> bool:
        breaker = self._by_model.get(model)
        if breaker is None:
            return False
        after = breaker.asked(self._clock.steady(), self._policy)
        self._become(model, breaker, after)
        return after.openings > 0

    def succeeded(self, model: str) -> None:
        breaker = self._by_model.get(model)
        if breaker is not None:
            after = breaker.succeeded(self._clock.steady(), self._policy)
            self._become(model, breaker, after)

    def failed(self, model: str, failure: Failure) -> None:
        breaker = self._by_model.get(model, CLOSED)
        now, chance = self._clock.steady(), self._chance()
        after = breaker.failed(failure.rest, now, self._policy, chance)
        self._become(model, breaker, after)

    def excused(self, model: str) -> None:
        breaker = self._by_model.get(model)
        if breaker is not None:
            self._become(model, breaker, breaker.excused())

    def relieve(self, model: str) -> None:
        breaker = self._by_model.get(model)
        if breaker is not None:
            self._become(model, breaker, breaker.relieved(self._clock.steady()))

    def _become(self, model: str, before: Breaker, after: Breaker) -> None:
        if after is CLOSED:
            self._by_model.pop(model, None)
        else:
            self._by_model[model] = after


@attrs.define(eq=False)
class MemoryStarts:
    """`core.state.Starts` in memory."""

    _clock: Clock
    _last: dict[str, float] = attrs.field(factory=dict, init=False)

    def wait(self, name: str, interval: float) -> float:
        last = self._last.get(name)
        if last is None:
            return 0.0
        return seconds_until(last + interval, self._clock.steady())

    async def take(self, name: str, interval: float) -> float:
        wait = self.wait(name, interval)
        if not wait:
            self._last[name] = self._clock.steady()
        return wait

    async def give_back(self, name: str) -> None:
        self._last.pop(name, None)

    def learn(self, name: str, ago: float) -> None:
        """Somebody began `ago` seconds ago."""
        self._last[name] = self._clock.steady() - ago


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
