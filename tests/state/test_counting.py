from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.shops import MemoryShop, Till, budget, daily, requests
from tproxy.core.leases import Lease
from tproxy.core.windows import DAY, HOUR, MINUTE
from tproxy.state.counting import Rolling
from tproxy.state.moments import Calm, Moment


def at(steady: float) -> Moment:
    return Moment(steady, steady, steady)


PLACES = st.lists(
    st.tuples(st.floats(0, 3, allow_nan=False), st.integers(1, 50), st.floats(0, 70)),
    min_size=1,
    max_size=60,
)


@given(PLACES, st.integers(1, 30))
@settings(deadline=None)
def test_a_long_log_errs_to_the_safe_side_by_a_grain_at_most(
    places: list[tuple[float, int, float]], repeat: int
) -> None:
    """Places come late and out of order; the log never forgets one too early."""
    counter, now = Rolling(MINUTE), 1_000.0
    grain = MINUTE / 256
    true: list[tuple[float, int]] = []
    for pause, amount, ago in places * repeat:
        now += pause
        counter.refresh(at(now))
        counter.place(now - ago, amount, at(now), now)
        true.append((now - ago, amount))

        least = sum(size for place, size in true if place + MINUTE > now)
        most = sum(size for place, size in true if place + MINUTE + grain > now)
        assert least <= counter.used <= most
        assert len(counter.moments) <= 513
    assert counter.moments == sorted(counter.moments)
    counter.refresh(at(now + MINUTE + 1))
    assert counter.used == 0


def test_a_short_log_is_exact() -> None:
    counter = Rolling(HOUR)
    for number in range(512):
        counter.place(float(number), 1, at(1_000.0), 0.0)

    for number in range(512):
        counter.refresh(at(HOUR + number))
        assert counter.used == 511 - number


@given(
    st.lists(st.tuples(st.floats(0, 90), st.booleans()), max_size=60), st.integers(1, 6)
)
def test_who_waits_as_long_as_told_is_admitted(
    steps: list[tuple[float, bool]], limit: int
) -> None:
    till = Till(MemoryShop(FakeClock()))
    whose = budget(requests(limit), requests(7, HOUR), daily(9, "Europe/Berlin"))
    for pause, settled in steps:
        till.shop.clock.advance(pause)
        result = till.reserve(whose)
        if isinstance(result, Lease):
            (till.settle if settled else till.release)(result)

    wait = till.wait(whose)
    if wait > 1e-3:
        till.shop.clock.advance(wait - 1e-3)
        assert till.denied(whose).wait == pytest.approx(1e-3, abs=1e-5)
    till.shop.clock.advance(till.wait(whose))
    till.release(till.take(whose))
    till.shop.close()


@given(
    st.lists(
        st.tuples(st.floats(0, 4 * HOUR), st.sampled_from([0, 0, -HOUR, HOUR])),
        max_size=60,
    ),
    st.floats(0, DAY - 1),
)
@settings(deadline=None)
def test_no_true_day_holds_more_than_the_limit_though_the_clock_jumps(
    steps: list[tuple[float, float]], start: float
) -> None:
    """The wall clock is wrong by an hour for less than two, and right again."""
    clock = FakeClock(now=0.0, epoch=20_000.0 * DAY + start)
    true, till = clock.epoch, Till(MemoryShop(clock))
    wrong_since = 0.0
    admitted: dict[int, int] = {}
    for passed, jump in steps:
        if clock.epoch != true:
            passed = min(passed, wrong_since + 2 * HOUR - 60 - clock.now)
        clock.advance(passed)
        if clock.epoch != true or not jump:
            clock.epoch = true
        else:
            clock.epoch, wrong_since = true + jump, clock.now
        day = int((true + clock.now) // DAY)
        admitted[day] = admitted.get(day, 0) + till.fill(budget(daily(5)))

    assert max(admitted.values(), default=0) <= 5
    till.shop.close()


@pytest.mark.parametrize("jump", [8 * HOUR, 400 * DAY])
def test_a_machine_that_slept_finds_its_quota_free(jump: float) -> None:
    till = Till(MemoryShop(FakeClock(0.0, 20_000.9 * DAY)))
    assert till.fill(budget(daily(2))) == 2

    till.shop.clock.epoch += jump

    assert till.fill(budget(daily(2))) == 2
    till.shop.close()


def test_a_clock_that_was_a_year_ahead_bans_nothing_for_a_year() -> None:
    till = Till(MemoryShop(FakeClock(0.0, 20_000.5 * DAY)))
    till.fill(budget(daily(2)))

    till.shop.clock.epoch -= 365 * DAY

    assert till.denied(budget(daily(2))).wait == pytest.approx(12 * HOUR)
    till.shop.clock.advance(12 * HOUR)
    assert till.fill(budget(daily(2))) == 2
    till.shop.close()


def test_a_lease_from_before_a_jump_is_corrected_where_it_was_counted() -> None:
    till = Till(MemoryShop(FakeClock(0.0, 20_000.9 * DAY)))
    lease = till.take(budget(daily(2)))
    till.store.reached(lease)
    till.shop.clock.advance(1.0)
    till.shop.clock.epoch += 8 * HOUR
    assert till.fill(budget(daily(2))) == 2

    till.release(lease)

    till.denied(budget(daily(2)))
    till.shop.close()


@pytest.mark.parametrize("jump", [0.5, -59.0, 3 * HOUR, -3 * HOUR, 1e9])
def test_small_and_large_jumps_are_believed(jump: float) -> None:
    calm = Calm()
    calm.see(0.0, 1e9)

    assert calm.see(1.0, 1e9 + 1 + jump).calm == 1e9 + 1 + jump


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 61.0, -61.0, 2 * HOUR])
def test_any_other_jump_is_not_believed_until_it_has_lasted(jump: float) -> None:
    calm = Calm()
    calm.see(0.0, 1e9)
    calm.see(1.0, 1e9 + 1 + jump)

    assert calm.moment(2 * HOUR, 1e9 + 2 * HOUR + jump).calm == 1e9 + 2 * HOUR
    now = calm.see(2 * HOUR + 1, 1e9 + 2 * HOUR + 1 + jump)
    assert now.calm == now.wall
