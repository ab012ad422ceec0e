"""A provider that comes and goes, five seconds each: few probes, and few changes."""

from __future__ import annotations

import json
import random
from itertools import pairwise

import attrs
import pytest

from tests.clocks import FakeClock
from tests.e2e.stage import Stage, at, staged
from tests.faults.laboratory import discreet, good
from tests.faults.script import End, Script, whole
from tests.faults.upstream import Asked, ScriptedUpstream, listening, scripted
from tests.serving import request, run, send

SPAN = 5.0  # seconds up, and as many down
TICK = 0.5  # seconds from request to request
LASTS = 120.0
SHORTEST = 8.0  # seconds of rest: ten, less a fifth


@attrs.define(eq=False)
class Flapping(ScriptedUpstream):
    """Up and down in turn, by `clock`; `asked_at` has the moments."""

    clock: FakeClock = attrs.field(kw_only=True)
    down: Script = attrs.field(kw_only=True)
    asked_at: list[float] = attrs.field(factory=list)

    def script_for(self, asked: Asked) -> Script:
        now = self.clock.now
        self.asked_at.append(now)
        return self.down if now // SPAN % 2 else good(False)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "down", [[End.CLOSE], whole(b"", 503)], ids=["closed", "overloaded"]
)
def test_it_is_asked_little_and_everybody_is_answered(down: Script, seed: int) -> None:
    chance = random.Random(seed)
    clock = FakeClock(now=chance.uniform(0.0, SPAN))
    ends = clock.now + LASTS
    served: list[tuple[float, str]] = []
    probed: list[float] = []

    async def test() -> None:
        upstream = Flapping((), clock=clock, down=down)
        async with (
            listening(upstream),
            scripted(good(False)) as second,
            staged(
                *(at(upstream.url, "p/a", 1), at(second.url, "q/b", 2)),
                clock=clock,
                chance=chance.random,
            ) as stage,
        ):
            while clock.now < ends:
                half_open = await state(stage, "p/a") != "closed"
                reply = await stage.ask()
                assert reply.status == 200
                served.append((clock.now, reply.headers["x-tproxy-model"]))
                if half_open and upstream.asked_at[-1] == clock.now:
                    probed.append(clock.now)
                clock.advance(TICK)
            discreet(stage)

    run(test)

    changes = [now for (_, was), (now, by) in pairwise(served) if by != was]
    assert 0 < len(changes) <= LASTS / 10
    for gone, back in zip(changes[::2], changes[1::2], strict=False):
        assert back - gone >= SHORTEST
    assert len(probed) > 2
    for first, third in zip(probed, probed[2:], strict=False):
        assert third - first >= SHORTEST


async def state(stage: Stage, name: str) -> str:
    """The breaker's, as operators see it."""
    reply = await send(stage.proxy.port, request("GET", "/status"))
    [found] = [b for b in json.loads(reply.body)["breakers"] if b["model"] == name]
    return str(found["state"])
