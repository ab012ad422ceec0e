"""A process that tries for one budget many times at once, and tells what came of it.

Who is told that nobody can count at the moment tries again, as a client would. The
process says `ready` when its store is open, begins at a line on its standard input, and
prints an `Outcome` as JSON. `--skew` makes its clocks those of another host.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

import attrs

from bench import wire
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.events import Event, Notice
from tproxy.core.leases import STORE, Lease, QuotaStore
from tproxy.core.windows import DAY, HOUR, Window
from tproxy.settings import Backend, StateSettings
from tproxy.stores import opened


@attrs.frozen
class Outcome:
    """What came of the attempts. `again` is how often one had to be repeated."""

    admitted: int = 0
    refused: int = 0
    again: int = 0
    longest: float = 0.0  # seconds that one had to wait for its answer
    seconds: float = 0.0
    notices: tuple[str, ...] = ()


@attrs.frozen
class SkewedClock:
    """A host whose clock is wrong by `skew` seconds, and that was started earlier."""

    skew: float

    def wall(self) -> float:
        return time.time() + self.skew

    def steady(self) -> float:
        return time.monotonic() + abs(self.skew) * 1_000


@attrs.define(eq=False)
class Notices:
    """An observer that keeps what operators are told."""

    said: list[str] = attrs.field(factory=list)

    def emit(self, event: Event) -> None:
        if isinstance(event, Notice):
            self.said.append(event.message)


def shared(limit: int) -> Budget:
    """What all try for."""
    each = Limit(Unit.REQUESTS, limit, Window(HOUR))
    return Budget("shared", (each, Limit(Unit.REQUESTS, 10 * limit, Window(DAY))))


async def attempt(quotas: QuotaStore, limit: int, attempts: int) -> Outcome:
    """So many attempts at once; what is admitted is settled while others ask."""
    whose, seen = [shared(limit)], Counter[str]()
    longest = 0.0

    async def ask() -> None:
        nonlocal longest
        while True:
            begun = time.perf_counter()
            result = await quotas.reserve(whose)
            longest = max(longest, time.perf_counter() - begun)
            if isinstance(result, Lease):
                seen["admitted"] += 1
                await quotas.settle(result)
                return
            if result.limit != STORE:
                seen["refused"] += 1
                return
            seen["again"] += 1
            await asyncio.sleep(result.wait * random.random())

    begun = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(attempts)))
    took = time.perf_counter() - begun
    return Outcome(seen["admitted"], seen["refused"], seen["again"], longest, took)


async def _main(state: StateSettings, limit: int, attempts: int, skew: float) -> None:
    notices = Notices()
    store = opened(state, SkewedClock(skew), notices)
    await store.start([shared(limit)])
    print("ready", flush=True)
    sys.stdin.readline()
    outcome = await attempt(store.quotas, limit, attempts)
    await store.close()
    print(json.dumps(attrs.asdict(attrs.evolve(outcome, notices=tuple(notices.said)))))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backend", choices=[each.value for each in Backend])
    parser.add_argument("--path", type=Path, default=Path("tproxy.db"))
    parser.add_argument("--url", default="")
    parser.add_argument("--limit", type=int, required=True)
    parser.add_argument("--attempts", type=int, required=True)
    parser.add_argument("--skew", type=float, default=0.0)
    said = parser.parse_args()
    where = {"path": str(said.path), "url": said.url}
    state = StateSettings(Backend(said.backend), **where, on_loss="strict")
    wire.run(_main(state, said.limit, said.attempts, said.skew))
