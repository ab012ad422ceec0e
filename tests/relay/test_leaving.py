"""A client may go at any moment."""

from __future__ import annotations

import asyncio

import pytest

from tests import dialect
from tests.clocks import in_no_time
from tests.dialect import DONE, event
from tests.fakes import Gate, Script, Silence
from tests.relay.rig import (
    JSON,
    SSE,
    Rig,
    fails,
    request,
    says,
    streamed,
)
from tproxy.core.upstream import Usage

PHASES = [
    "quotas.reserve",
    "signer.sign",
    "transport.open",
    "read 0",
    "read 1",
]


UNSENT = PHASES[: PHASES.index("transport.open")]


@streamed
@pytest.mark.parametrize("phase", PHASES)
def test_a_client_may_leave_at_any_moment(phase: str, stream: bool) -> None:
    reads = [event(), event("Hello"), event(finish="stop")] if stream else [b"{", b"}"]
    script = Script(reads, headers=SSE if stream else JSON)
    rig = Rig({"a": script}, gate=Gate(phase))

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request(stream=stream)))
        await rig.gate.reached.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())

    taken = [lease.budgets[0].name for lease in rig.quotas.reserved]
    assert rig.quotas.settled == ([] if phase in UNSENT else taken)
    assert rig.quotas.released == (taken if phase in UNSENT else [])
    assert rig.quotas.unheard == (taken if phase == "transport.open" else [])
    asked = [told for told in rig.breakers.told if told[1] == "asked"]
    assert rig.outcomes == [("a", "excused")] * len(asked)
    assert rig.transport.under_way == set()


@pytest.mark.parametrize("phase", ["quotas.waits", "breakers.resting"])
def test_a_client_may_leave_while_candidates_are_compared(phase: str) -> None:
    rig = Rig({"a": says("Hello"), "b": says("Hello")}, gate=Gate(phase))

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request()))
        await rig.gate.reached.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())
    assert rig.asked == []
    assert rig.quotas.reserved == []


@pytest.mark.parametrize("together", [False, True])
def test_a_client_that_leaves_at_the_end_mark_has_an_answer(together: bool) -> None:
    """As clients do, not waiting for the connection's own end."""
    usage = b'data: {"choices": [], "usage": {"completion_tokens": 5}}\n\n'
    reads = [*dialect.stream("Hello")[:-1], usage, DONE]
    if together:
        reads = [b"".join(reads)]
    rig = Rig({"a": Script([*reads, Silence()], headers=SSE)})

    async def test() -> None:
        async with rig.answering(request(stream=True)) as answer:
            assert answer.begun.body is not None
            async for data in answer.begun.body:
                if DONE in data:
                    break

    in_no_time(test())
    assert rig.outcomes == [("a", "succeeded")]
    assert rig.trail.usage == Usage(0, 5)
    assert [attempt.outcome for attempt in rig.trail.attempts] == ["answered"]


def test_a_client_may_leave_in_the_middle_of_a_stream() -> None:
    rig = Rig({"a": says("Hello")})

    async def test() -> None:
        async with rig.answering(request(stream=True)) as answer:
            assert answer.begun.body is not None
            await anext(aiter(answer.begun.body))
        assert rig.transport.under_way == set()

    in_no_time(test())
    assert rig.quotas.settled == ["quota of a"]
    assert rig.outcomes == [("a", "excused")]
    assert [attempt.outcome for attempt in rig.trail.attempts] == ["left"]


def test_a_client_may_leave_between_two_attempts() -> None:
    rig = Rig({"a": fails(500)}, gate=Gate("sleep"))

    async def test() -> None:
        serving = asyncio.create_task(rig.asking(request("a")))
        await rig.gate.reached.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    in_no_time(test())
    assert rig.asked == ["a"]
    assert rig.quotas.settled == ["quota of a"]
    assert rig.outcomes == [("a", "server")]
