"""How long it takes until there is room, after others; and who has no others."""

from __future__ import annotations

import asyncio
import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.relay.rig import Rig, tells
from tests.values import chat, embedding, image, model, per
from tproxy.core.budget import ONE, Budget, Cost, Limit, Unit
from tproxy.core.catalog import Catalog
from tproxy.core.leases import Lease
from tproxy.core.model import Capability, Client, Kind, Model
from tproxy.core.request import Request
from tproxy.core.selection import Candidate
from tproxy.core.windows import MINUTE
from tproxy.relay.outlook import kept_busy
from tproxy.relay.search import Search
from tproxy.relay.trail import Trail
from tproxy.selection.eligible import select
from tproxy.selection.strategies import PriorityThenIdlest
from tproxy.state.memory_quotas import MemoryQuotas


def tokens(amount: int) -> Limit:
    return attrs.evolve(per(MINUTE, amount), unit=Unit.TOKENS)


@pytest.mark.parametrize(
    ("limits", "ahead", "expected"),
    [
        ([], 9, (0.0, 9)),
        ([per(MINUTE, 10)], 0, (0.0, 0)),
        ([per(MINUTE, 10)], 9, (0.0, 9)),
        ([per(MINUTE, 10)], 25, (120.0, 5)),
        ([per(MINUTE, 10)], 99, (240.0, 0)),  # all others have left
        ([per(MINUTE, 10), per(1.0, 4)], 25, (120.0, 3)),
        ([tokens(99)], 3, (60.0, 0)),
        ([tokens(20)], 3, (0.0, 0)),  # it never fits, wherever it stands
    ],
)
def test_how_long_those_ahead_keep_a_quota_busy(
    limits: list[Limit], ahead: int, expected: tuple[float, int]
) -> None:
    cost = Cost(1, tokens=33)

    assert kept_busy((Budget("q", tuple(limits)),), cost, ahead, 200.0) == expected


LIMITS = st.builds(per, st.sampled_from([1.0, 5.0, 30.0, MINUTE]), st.integers(1, 9))


@given(
    limits=st.lists(LIMITS, min_size=1, max_size=2, unique_by=lambda each: each.window),
    before=st.lists(st.floats(0.0, 9.0), max_size=12),
    ahead=st.integers(0, 40),
)
def test_one_limit_is_foretold_exactly_and_several_never_too_late(
    limits: list[Limit], before: list[float], ahead: int
) -> None:
    clock, budgets = FakeClock(), (Budget("q", tuple(limits)),)
    quotas = MemoryQuotas(clock)

    async def taken() -> float:
        """Take one, or say how long to wait."""
        lease = await quotas.reserve(budgets)
        if not isinstance(lease, Lease):
            return lease.wait
        await quotas.settle(lease)
        return 0.0

    async def test() -> tuple[float, float]:
        for pause in before:
            clock.advance(pause)
            await taken()
        busy, left = kept_busy(budgets, ONE, ahead, 1e6)
        [then] = await quotas.waits([(budgets, ONE.times(left + 1))])
        begun = clock.steady()
        for _ in range(ahead + 1):
            while wait := await taken():
                clock.advance(wait)
        return busy + then, clock.steady() - begun

    foretold, true = asyncio.run(test())
    if len(limits) == 1:
        assert foretold == pytest.approx(true)
    else:
        assert foretold <= true + 1e-6


NAMES = ("m", "alias", "SMALL")  # of one model, and what may be called
MODELS = st.builds(
    lambda **changes: model("m", aliases=("alias",), category="SMALL", **changes),
    kind=st.sampled_from([*Kind, Kind.CHAT, Kind.CHAT]),
    obstacle=st.sampled_from([None, None, "speaks a dialect of its own"]),
    capabilities=st.sampled_from([frozenset(Capability), frozenset()]),
    max_request_length=st.sampled_from([None, None, 4]),
    max_output_tokens=st.sampled_from([None, None, 4]),
)
FIELDS = st.sampled_from([{}, {"max_tokens": 5}, {"tools": [{"type": "function"}]}])
REQUESTS: st.SearchStrategy[Request] = st.one_of(
    st.builds(
        lambda called, fields: chat(**({"model": called} if called else {}), **fields),
        st.sampled_from([None, *NAMES]),
        FIELDS,
    ),
    st.sampled_from([image(model="m"), embedding(model="SMALL")]),
)


@given(MODELS, REQUESTS, st.sampled_from([("*",), (), *((n,) for n in NAMES)]))
def test_who_has_no_others_is_chosen_as_among_others(
    only: Model, request: Request, allowed: tuple[str, ...]
) -> None:
    outlook = Rig({"m": tells("")}).relay._outlook
    client, candidates = Client("c", (), allowed), [Candidate(only)]
    asked = Catalog.of([only], {}).find(request.model)

    alone = outlook.alone(Search(request, client, Trail(), asked, math.inf))

    called, strategy = request.model or "SMALL", PriorityThenIdlest()
    assert alone == select(request, client, candidates, strategy, called=called)
