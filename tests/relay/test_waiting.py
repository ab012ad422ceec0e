"""How long a request has to wait, which may want more than any, or not get all."""

from __future__ import annotations

import asyncio
import json
import math

import attrs
import pytest

from tests.clocks import LoopClock, in_no_time
from tests.relay.rig import ANYBODY, Rig, Seen, model, request, tells
from tests.values import per
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.chat import ChatRequest
from tproxy.core.model import Client, Model, Routing
from tproxy.core.windows import MINUTE, Window
from tproxy.state.memory_quotas import MemoryQuotas

LATER = Routing(wait_seconds=100.0)
ONCE = per(MINUTE, 1)
TOKENS = Limit(Unit.TOKENS, 30, Window(MINUTE))
# The first takes seven tokens, for a second there are too few.
LONG = ChatRequest.parse(
    json.dumps(
        {
            "model": "SMALL",
            "max_tokens": 28,
            "messages": [{"role": "user", "content": "Hello"}],
        }
    ).encode()
)


def limited(name: str, limit: Limit) -> Model:
    return attrs.evolve(model(name), budgets=(Budget(f"quota of {name}", (limit,)),))


@attrs.define(eq=False)
class Waiting(Rig):
    """One that does not look again for ever."""

    async def sleep(self, seconds: float) -> None:
        assert len(self.slept) < 10
        await super().sleep(seconds)


def rig(*models: Model, routing: Routing = LATER) -> Rig:
    clock = LoopClock()
    acts = {each.name: [tells("Hi"), tells("Hi")] for each in models}
    made = Waiting(acts, routing=routing, models=models, clock=clock)
    made.real_quotas = MemoryQuotas(clock)
    return made


@pytest.mark.parametrize(
    ("models", "wanted", "client"),
    [
        ([limited("a", ONCE)], request(), ANYBODY),
        ([limited("a", TOKENS)], LONG, ANYBODY),
        # Of the others there is more than enough, but not for this.
        (
            [limited("a", ONCE), attrs.evolve(model("b"), max_request_length=1)],
            request(),
            ANYBODY,
        ),
        ([limited("a", ONCE), model("b")], request(), Client("c", (), ("a",))),
    ],
    ids=["spent", "too few tokens", "another is too small", "another is not for it"],
)
def test_who_waits_looks_again_when_there_is_room_and_not_before(
    models: list[Model], wanted: ChatRequest, client: Client
) -> None:
    made = rig(*models)

    async def test() -> None:
        for _ in range(2):
            seen = await made.asking(wanted, client)
            assert seen.error is None
        assert made.clock.steady() == pytest.approx(MINUTE)

    in_no_time(test())
    assert made.slept == [pytest.approx(MINUTE)]
    assert made.asked == ["a", "a"]


@pytest.mark.parametrize(
    ("limit", "wanted"), [(ONCE, request()), (TOKENS, LONG)], ids=["spent", "too few"]
)
def test_retry_after_is_when_this_very_request_fits(
    limit: Limit, wanted: ChatRequest
) -> None:
    made = rig(limited("a", limit), routing=Routing())

    async def test() -> Seen:
        await made.asking(wanted)
        await asyncio.sleep(20.0)
        return await made.asking(wanted)

    seen = in_no_time(test())
    assert seen.told == (429, "quota_exhausted")
    assert isinstance(seen.retry_after, float)
    assert math.ceil(seen.retry_after) == MINUTE - 20
