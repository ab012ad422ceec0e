"""Whatever happens to two candidates at once, each is let go of and settled once."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import in_no_time
from tests.dialect import event
from tests.fakes import Act, Script, Silence
from tests.relay.late import Lags, outcomes, rig
from tests.relay.rig import DOWN, JSON, ROWS, SSE, Rig, fails, good, request, streamed
from tproxy.core.model import RetryPolicy

PHASES = (
    "quotas.reserve",
    "signer.sign",
    "transport.open",
    "read 0",
    "read 1",
)
TAKEN = PHASES[1:2]  # and not sent


def settled_once(made: Rig) -> None:
    """Nothing is open, and what was taken was counted or given back."""
    taken = Counter(lease.budgets[0].name for lease in made.quotas.reserved)
    assert Counter(made.quotas.settled + made.quotas.released) == taken
    assert made.transport.under_way == set()
    asked = Counter(name for name, told in made.breakers.told if told == "asked")
    assert Counter(name for name, _ in made.outcomes) == asked
    assert not any(made.budget._under_way.values())
    assert not any(made.budget._repeats.values())
    assert made.leases._open == {}


def half(stream: bool) -> Script:
    """Two reads, with which no answer has begun."""
    reads = [event(), event(), event("Hello")] if stream else [b"{", b" ", b"}"]
    return Script(reads, headers=SSE if stream else JSON)


@streamed
@pytest.mark.parametrize("phase", PHASES)
def test_a_client_that_leaves_takes_both_along(phase: str, stream: bool) -> None:
    made = rig({"a": Silence(), "b": half(stream)}, {}, retry=RetryPolicy(0))

    async def test() -> None:
        serving = asyncio.create_task(made.asking(request(stream=stream)))
        await asyncio.sleep(0.5)
        made.gate.at = phase  # of the second
        await made.gate.reached.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())

    settled_once(made)
    assert made.quotas.released == (["quota of b"] if phase in TAKEN else [])
    begun = ["a", "b"] if phase in PHASES[1:] else ["a"]
    assert sorted(outcomes(made)) == [(name, "left") for name in begun]
    assert sorted(made.outcomes) == [(name, "excused") for name in begun]
    hedged = made.hedging["SMALL"].allowance.hedged
    assert hedged == len(begun) - 1, "a hedge that did not go out is given back"


def test_or_the_answer_while_the_other_is_let_go_of() -> None:
    made = rig({"a": Silence(), "b": good("b", stream=True)}, {})
    gate = made.gate
    assert isinstance(gate, Lags)

    async def test() -> None:
        serving = asyncio.create_task(made.asking(request(stream=True)))
        await asyncio.sleep(0.5)
        gate.at = "quotas.settle"
        await gate.reached.wait()
        assert len(made.transport.under_way) == 1
        gate.at = ""
        serving.cancel()
        await asyncio.sleep(0)
        gate.let.set()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())
    settled_once(made)
    assert outcomes(made) == [("a", "outrun"), ("b", "left")]


LAGS = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 4.0])
FAILS: list[Act] = [DOWN, fails(500), fails(429), fails(400), fails(401), Silence()]


@given(
    stream=st.booleans(),
    acts=st.lists(st.sampled_from([None, *FAILS]), min_size=3, max_size=3),
    lags=st.lists(LAGS, min_size=3, max_size=3),
    leaves=st.none() | st.sampled_from([0.2, 1.0, 1.2, 1.5, 2.5, 5.0]),
)
def test_whatever_happens(
    *,
    stream: bool,
    acts: list[Act | None],
    lags: list[float],
    leaves: float | None,
) -> None:
    made = rig(
        {
            name: act or good(name, stream)
            for name, act in zip("abc", acts, strict=True)
        },
        dict(zip("abc", lags, strict=True)),
        retry=RetryPolicy(max_retries=1, jitter=0.0),
    )

    async def test() -> None:
        serving = asyncio.create_task(made.asking(request(stream=stream)))
        await asyncio.wait((serving,), timeout=leaves)
        serving.cancel()
        await asyncio.wait((serving,))
        if serving.cancelled():
            return
        seen = serving.result()
        told = [name for name, outcome in outcomes(made) if outcome == "answered"]
        if seen.answer is not None:
            assert told == [seen.answer.model.name]
            assert seen.answer.attempts == len(made.trail.attempts)
            outrun = [name for name, told in outcomes(made) if told == "outrun"]
            assert all(f"; {name} outrun" in seen.answer.reason for name in outrun)
        else:
            assert told == []

    in_no_time(test())
    settled_once(made)
    assert made.hedging["SMALL"].allowance.hedged <= 1
    well = Counter(n for n, told in made.outcomes if told in ("excused", "succeeded"))
    rows = {row.name for row in ROWS}
    assert well == Counter(n for n, told in outcomes(made) if told not in rows)
