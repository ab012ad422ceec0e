"""Windows that begin with the first request: with whichever of several that was.

Requests reach the provider some time after they were sent, and some time before they
are heard of. What counts is the provider's own windows.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.shops import Shop, Till, budget, requests, soon
from tproxy.core.budget import Outcome
from tproxy.core.leases import UNHEARD_SECONDS, Lease
from tproxy.core.windows import MINUTE, Kind
from tproxy.state.first_use import FirstUse
from tproxy.state.moments import Moment

LIMIT = 4
WINDOW = budget(requests(LIMIT, MINUTE, kind=Kind.FIRST_USE))
REFUSED_WITHIN = 29.0  # seconds


@attrs.frozen
class Sent:
    """Requests that are sent at one moment, as many as are let out.

    The last takes `there` to its provider; each is heard of `back` after it has
    reached it, and ends another `rest` later.
    """

    pause: float  # before
    count: int
    there: float = 0.0
    back: float = 0.0
    rest: float = 0.0
    refused: bool = False  # and so not counted
    unheard: bool = False  # but given up before it is reached, or then


WAYS = st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0, 40.0, 100.0])
SENT = st.builds(
    Sent,
    st.sampled_from([0.0, 0.0, 0.25, 1.0, 3.0, 29.0, 31.0, 59.0, 60.0, 61.0, 90.0]),
    st.integers(1, LIMIT),
    *(WAYS, WAYS, WAYS),
    *(st.sampled_from([False, False, False, True]),) * 2,
)


def counted(till: Till, steps: Iterable[Sent]) -> Iterator[float]:
    """The moments at which what counts reaches the provider."""
    clock, numbers = till.shop.clock, itertools.count()
    coming: list[tuple[float, int, bool, Lease, Sent]] = []

    def go_on(until: float) -> None:
        while coming and coming[0][0] <= until:
            clock.now, _, heard, lease, sent = heapq.heappop(coming)
            if sent.unheard:
                till.shop.run(till.store.settle(lease, heard=False))
            elif heard:
                outcome = Outcome.REFUSAL if sent.refused else Outcome.ANSWER
                till.settle(lease, outcome=outcome)
            else:
                till.store.reached(lease)
                rest = min(sent.rest, REFUSED_WITHIN) if sent.refused else sent.rest
                end = clock.now + rest, next(numbers), True, lease, sent
                heapq.heappush(coming, end)
        clock.now = until

    for sent in steps:
        go_on(clock.now + sent.pause)
        for place in range(1, sent.count + 1):
            lease = till.reserve(WINDOW, seconds=1_000.0)
            if isinstance(lease, Lease):
                there = clock.now + sent.there * place / sent.count
                heard = there + sent.back
                if sent.unheard:
                    heard = max(there - 0.9 * UNHEARD_SECONDS, clock.now)
                heapq.heappush(coming, (heard, next(numbers), False, lease, sent))
                if sent.unheard or not sent.refused:
                    yield there


def windows(reached: Iterable[float]) -> list[int]:
    """How many requests the provider's windows hold."""
    held: list[int] = []
    end = 0.0
    for at in sorted(reached):
        if not held or at >= end:
            held.append(0)
            end = at + MINUTE
        held[-1] += 1
    return held


def test_no_window_of_the_provider_holds_more(
    opening: Callable[[FakeClock], Shop],
) -> None:
    @settings(max_examples=25, deadline=None)
    @given(st.lists(SENT, min_size=4, max_size=16))
    def test(steps: list[Sent]) -> None:
        with closing(opening(FakeClock(now=0.0))) as shop:
            reached = list(counted(Till(shop), steps))
        assert max(windows(reached), default=0) <= LIMIT

    test()


def test_nothing_is_lost_where_all_is_heard_of_at_once(
    opening: Callable[[FakeClock], Shop],
) -> None:
    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.tuples(st.floats(0, 90), st.integers(1, LIMIT)), max_size=16))
    def test(steps: list[tuple[float, int]]) -> None:
        with closing(opening(FakeClock(now=0.0))) as shop:
            till, now, used, end = Till(shop), 0.0, 0, 0.0
            for pause, count in steps:
                shop.clock.advance(pause)
                now = shop.clock.now
                if now >= end:
                    used, end = 0, now + MINUTE
                usable = min(count, LIMIT - used)
                assert till.fill(WINDOW, most=count) == usable
                used += usable
                assert till.state(WINDOW).limits[0].resets_in == soon(end - now)

    test()


def test_what_may_be_in_either_of_two_windows_counts_in_both(till: Till) -> None:
    clock = till.shop.clock
    till.use(WINDOW)
    clock.advance(59.0)
    first, second = till.take(WINDOW), till.take(WINDOW)
    clock.advance(2.0)

    till.settle(first)
    till.settle(second)

    assert till.state(WINDOW).limits[0].left == 2
    assert till.fill(WINDOW) == 2
    assert till.denied(WINDOW).wait == soon(60.0)


def test_who_came_after_it_may_have_begun_a_window_as_well(till: Till) -> None:
    """The one across the end was in the last window, or else it began the next."""
    clock = till.shop.clock
    till.use(WINDOW)
    clock.advance(59.0)
    across = till.take(WINDOW)
    clock.advance(2.0)
    till.settle(across)
    clock.advance(29.0)
    assert till.fill(WINDOW, most=2) == 2
    clock.advance(31.0)

    assert till.fill(WINDOW) == 2
    assert till.denied(WINDOW).wait == soon(29.0)
    clock.advance(29.0)
    assert till.fill(WINDOW) == 2


def test_a_window_is_thought_to_end_as_late_as_it_may(till: Till) -> None:
    clock = till.shop.clock
    first = till.take(WINDOW)
    clock.advance(10.0)
    till.settle(first)
    clock.advance(49.0)

    assert till.fill(WINDOW) == 3
    assert till.denied(WINDOW).wait == soon(11.0)
    clock.advance(11.0)
    assert till.fill(WINDOW) == 4


def test_what_was_refused_has_begun_no_window(till: Till) -> None:
    clock = till.shop.clock
    refused = till.take(WINDOW)
    till.store.reached(refused)
    till.extend(refused)
    clock.advance(5.0)
    till.settle(refused, outcome=Outcome.REFUSAL)
    till.use(WINDOW)
    clock.advance(58.0)

    assert till.fill(WINDOW) == 3
    assert till.denied(WINDOW).wait == soon(2.0)


def test_what_is_still_in_flight_may_have_begun_the_window(till: Till) -> None:
    clock = till.shop.clock
    till.take(WINDOW, seconds=100.0)
    clock.advance(1.0)
    till.use(WINDOW)
    clock.advance(59.5)
    assert till.fill(WINDOW, most=2) == 2  # in the next, if it has
    clock.advance(0.5)

    assert till.fill(WINDOW) == 1


def test_what_reached_the_last_window_is_not_counted_in_this_one(till: Till) -> None:
    clock = till.shop.clock
    till.use(WINDOW)
    clock.advance(55.0)
    late = till.take(WINDOW)
    till.store.reached(late)
    clock.advance(6.0)
    till.use(WINDOW)

    till.settle(late)

    assert till.fill(WINDOW) == 3


def test_the_log_is_short_however_little_is_known() -> None:
    counter, step = FirstUse(MINUTE), 0.05
    for number in range(6_000):
        at = number * step
        now = Moment(at, at, at)
        counter.refresh(now)
        counter.place(at, 1, now, sent=at - 200.0)
        assert len(counter.moments) <= 256 + 3

    assert MINUTE / step <= counter.used <= (MINUTE + 1) / step
