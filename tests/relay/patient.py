"""Requests that wait for quota, and a rig in which they do."""

from __future__ import annotations

import json
from collections.abc import Sequence

import attrs

from tests.fakes import Script
from tests.relay.rig import ANYBODY, DOWN, JSON, Rig, model
from tests.values import per
from tproxy.core.budget import ONE, Budget, Cost, Limit, Unit
from tproxy.core.chat import ChatRequest
from tproxy.core.leases import Denial, Lease
from tproxy.core.model import Model, Routing
from tproxy.core.windows import MINUTE
from tproxy.relay.trail import Trail
from tproxy.state.memory_quotas import MemoryQuotas

PATIENT = Routing(wait_seconds=200.0)
UNCOUNTED = Script([b'{"choices": [{"message": {"content": "x"}}]}'], headers=JSON)


def limited(name: str, *limits: Limit, priority: int = 1) -> Model:
    return attrs.evolve(model(name, priority=priority), budgets=(Budget(name, limits),))


def tokens(amount: int) -> Limit:
    return attrs.evolve(per(MINUTE, amount), unit=Unit.TOKENS)


def asking(
    most: int | None = None, called: str = "SMALL", tools: bool = False
) -> ChatRequest:
    said: dict[str, object] = {
        "model": called,
        "messages": [{"role": "user", "content": "Hello"}],
    }
    if most is not None:
        said["max_tokens"] = most
    if tools:
        said["tools"] = [{"type": "function", "function": {"name": "f"}}]
    return ChatRequest.parse(json.dumps(said).encode())


class Looks(MemoryQuotas):
    """Counts how often it is asked, as whoever spins does without end.

    Another process comes just before the one asked for the `rival`th time.
    """

    reserved = rival = 0

    async def reserve(
        self, budgets: Sequence[Budget], cost: Cost = ONE, lease_seconds: float = 15.0
    ) -> Lease | Denial:
        self.reserved += 1
        if self.reserved == self.rival:
            first = await super().reserve(budgets, cost, lease_seconds)
            assert isinstance(first, Lease)
            await self.settle(first)
        return await super().reserve(budgets, cost, lease_seconds)


def rig(*models: Model, routing: Routing = PATIENT, **down: object) -> Rig:
    acts = {m.name: DOWN if m.name in down else UNCOUNTED for m in models}
    made = Rig(acts, models=models, routing=routing)
    made.real_quotas = Looks(made.clock)
    return made


async def served(made: Rig, called: str = "a") -> None:
    """As `Rig.asking`, for several at once."""
    answer = await made.relay.answer(asking(called=called), ANYBODY, Trail())
    await answer.end()


def times_asked(made: Rig) -> int:
    assert isinstance(made.real_quotas, Looks)
    return made.real_quotas.reserved
