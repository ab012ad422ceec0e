"""A relay whose candidates are late, and which knows what is usual."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs

from tests.fakes import Act, FakeTransport, Gate
from tests.relay.rig import Rig, Seen
from tproxy.core.hedging import EVERY, FEWEST_TIMES, Hedging
from tproxy.core.model import Routing

HEDGED = Routing(hedge=frozenset({"SMALL"}))
USUAL = 1.0  # seconds, of everybody


@attrs.define(eq=False)
class Lags(Gate):
    """Holds each exchange up for so many seconds before its head, by host.

    What is held up at the gate may go on once it is `let`.
    """

    by_host: Mapping[str, float] = attrs.field(factory=dict)
    let: asyncio.Event = attrs.field(factory=asyncio.Event)
    transport: FakeTransport = attrs.field(init=False)

    async def passing(self, place: str) -> None:
        host = self.transport.asked[-1] if place == "transport.open" else ""
        await asyncio.sleep(self.by_host.get(host, 0.0))
        if place == self.at:
            self.reached.set()
            await self.let.wait()


def rig(
    acts: Mapping[str, Act | list[Act]],
    lags: Mapping[str, float],
    *,
    at: str = "",
    hedges: int = 1,
    known: bool = True,
    **changes: Any,
) -> Rig:
    """Everybody took `USUAL` so far, and so many hedges are allowed."""
    gate = Lags(at, by_host=lags)
    routing = changes.pop("routing", HEDGED)
    made = Rig(acts, routing=routing, gate=gate, **changes)
    gate.transport = made.transport
    hedging = made.hedging["SMALL"] = Hedging()
    for _ in range(hedges * EVERY):
        hedging.allowance.earn()
    for stream in (True, False):
        for _ in range(FEWEST_TIMES if known else 0):
            hedging.began(USUAL, stream=stream)
    return made


def moment(made: Rig) -> float:
    return made.clock.steady()


def outcomes(made: Rig) -> list[tuple[str, str]]:
    return [(attempt.model, attempt.outcome) for attempt in made.trail.attempts]


def reason(seen: Seen) -> str:
    assert seen.answer is not None, seen.error
    return seen.answer.reason
