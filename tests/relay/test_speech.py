"""Streams that have begun: how they are handed on, and when they are over."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import LoopClock, in_no_time
from tests.dialect import DONE, event, stream
from tests.fakes import Late, Script, Silence
from tests.relay.rig import SSE, Rig, Seen, request
from tproxy.core import failures
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken

WHOLE = b"".join(stream("Once", " upon", " a", " time"))
SILENCE = 30.0
PATIENT = Patience(silence=SILENCE)


def relayed(script: Script) -> tuple[Seen, float, Rig]:
    """What a client sees, and how long it takes."""
    rig = Rig({"a": script}, patience=PATIENT)
    clock = LoopClock()

    async def test() -> tuple[Seen, float]:
        seen = await rig.asking(request("a", stream=True))
        return seen, clock.steady()

    return *in_no_time(test()), rig


def late(data: bytes, seconds: float) -> list[Late]:
    return [Late(seconds, data[place : place + 1]) for place in range(len(data))]


def test_a_line_in_single_bytes_is_as_good_as_silence() -> None:
    dripping = late(event("more"), 10.0)

    seen, took, rig = relayed(Script([event("Once"), *dripping], headers=SSE))

    assert seen.text.startswith(event("Once") + b'data: {"error"')
    assert b"upstream_timeout" in seen.text
    assert SILENCE < took <= SILENCE + 2 * 10
    assert rig.outcomes == [("a", "silence")]


def test_a_line_in_single_bytes_may_take_as_long_as_a_silence() -> None:
    dripping = late(event("more", finish="stop"), SILENCE / 2_000)

    seen, _, rig = relayed(Script([event("Once"), *dripping, DONE], headers=SSE))

    assert seen.text.endswith(DONE)
    assert rig.outcomes == [("a", "succeeded")]


def test_a_long_event_may_take_as_long_as_it_needs() -> None:
    pieces = event("word " * 20_000, finish="stop")
    slow = [
        Late(10.0, pieces[at : at + 16_384]) for at in range(0, len(pieces), 16_384)
    ]

    seen, took, _ = relayed(Script([event("Once"), *slow, DONE], headers=SSE))

    assert took > SILENCE
    assert seen.text.endswith(DONE)


def test_a_provider_that_only_breathes_is_waited_for() -> None:
    breaths = [Late(25.0, b": ping\n\n")] * 40

    *first, last, done = stream("Once", " upon")

    seen, took, _ = relayed(Script([*first, *breaths, last, done], headers=SSE))

    assert took == pytest.approx(1_000.0)
    assert seen.text.endswith(DONE)


def test_slow_lines_with_events_between_are_no_silence() -> None:
    half = len(event("x")) // 2
    slow = [Late(25.0, event("x")[:half]), Late(25.0, event("x")[half:])] * 3

    seen, took, _ = relayed(Script([event("Once"), *slow, WHOLE], headers=SSE))

    assert took == pytest.approx(150.0)
    assert seen.text.endswith(DONE)


def test_nobody_waits_for_what_follows_the_end_mark() -> None:
    seen, took, rig = relayed(Script([WHOLE, Silence()], headers=SSE))

    assert seen.text == WHOLE
    assert took == pytest.approx(1.0)
    assert rig.outcomes == [("a", "succeeded")]


@given(st.data())
def test_all_goes_out_in_order_whatever_has_to_wait(data: st.DataObject) -> None:
    """Some reads are handed on from where they come, others wait for a slow client."""
    places = st.sets(st.integers(1, len(WHOLE) - 1), max_size=20)
    cuts = [0, *sorted(data.draw(places, label="cuts")), len(WHOLE)]
    reads = [WHOLE[start:end] for start, end in pairwise(cuts)]
    slow = data.draw(st.sets(st.integers(0, 20)), label="slow writes")
    rig = Rig({"a": Script(reads, headers=SSE)})
    out: list[bytes] = []

    def take(data: bytes) -> asyncio.Future[None]:
        taken = asyncio.get_running_loop().create_future()
        if waiting and not waiting[-1].done():
            raise AssertionError("the last write was not waited for")
        out.append(data)
        if len(out) in slow:
            waiting.append(taken)
            asyncio.get_running_loop().call_later(5.0, taken.set_result, None)
        else:
            taken.set_result(None)
        return taken

    async def test() -> None:
        async with rig.answering(request("a", stream=True)) as answer:
            assert answer.begun.body is not None
            await answer.begun.body.pour(take)

    waiting: list[asyncio.Future[None]] = []
    in_no_time(test())

    assert b"".join(out) == WHOLE


@pytest.mark.parametrize("raises", [False, True], ids=["in time", "at once"])
def test_what_goes_wrong_with_the_client_is_raised(raises: bool) -> None:
    rig = Rig({"a": Script([event("Once"), event("more"), DONE], headers=SSE)})
    written: list[bytes] = []

    def take(data: bytes) -> asyncio.Future[None]:
        taken = asyncio.get_running_loop().create_future()
        written.append(data)
        if len(written) < 2:
            taken.set_result(None)
        elif raises:
            raise ConnectionResetError
        else:
            taken.set_exception(ConnectionResetError())
        return taken

    async def test() -> None:
        async with rig.answering(request("a", stream=True)) as answer:
            assert answer.begun.body is not None
            await answer.begun.body.pour(take)

    with pytest.raises(ConnectionResetError):
        in_no_time(test())
    assert written == [event("Once"), event("more")]
    assert not rig.transport.under_way


@pytest.mark.parametrize(
    "after", [b": bye\n\n", b"event: end\ndata: {}\n\n", b"\n" * 20]
)
@pytest.mark.parametrize("end", [Silence(), Broken(failures.EARLY_END, "")])
def test_with_its_end_mark_an_answer_is_whole_whatever_comes_with_it(
    after: bytes, end: Silence | Broken
) -> None:
    seen, _, rig = relayed(Script([WHOLE + after, end], headers=SSE))

    assert seen.text.startswith(WHOLE)
    assert b"error" not in seen.text
    assert rig.outcomes == [("a", "succeeded")]


def test_pings_after_the_end_mark_do_not_go_on_for_ever() -> None:
    pings = [Late(0.9, b": ping\n\n")] * 100

    seen, took, rig = relayed(Script([WHOLE, *pings], headers=SSE))

    assert took == pytest.approx(1.0)
    assert rig.outcomes == [("a", "succeeded")]
    assert seen.text.startswith(WHOLE)
