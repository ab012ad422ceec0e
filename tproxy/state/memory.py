"""What one process remembers of health and turns, and forgets when it ends."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence

import attrs

from tproxy.core.breaker import CLOSED, Breaker, BreakerPolicy, BreakerState
from tproxy.core.failures import Failure
from tproxy.core.state import Clock


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

    async def states(self, models: Sequence[str]) -> list[BreakerState]:
        now = self._clock.steady()
        return [self._by_model.get(name, CLOSED).state(now) for name in models]

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
