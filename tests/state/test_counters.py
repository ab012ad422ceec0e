from __future__ import annotations

import enum

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.state.quotas import Quotas, at, daily, rolling
from tproxy.core.quota import DAY, HOUR, MINUTE, Kind, Pool, Window
from tproxy.core.state import Denial, Lease
from tproxy.state.counters import seconds_until


def test_a_rolling_window_is_free_again_the_very_moment_it_allows() -> None:
    quotas = Quotas()
    for _ in range(3):
        quotas.take(rolling(3))
        quotas.clock.advance(10.0)

    assert quotas.denied(rolling(3)) == Denial("rolling 60", "minute", 30.0)
    quotas.clock.advance(29.999)
    quotas.denied(rolling(3))
    quotas.clock.advance(0.001)
    quotas.take(rolling(3))
    assert quotas.denied(rolling(3)).wait == pytest.approx(10.0)


MOMENT = st.floats(0, 1e10, allow_nan=False)


@given(MOMENT, MOMENT | st.floats(0, 100, allow_nan=False))
@example(63.9, 14.3)
def test_a_wait_is_never_too_short_by_rounding(moment: float, now: float) -> None:
    wait = seconds_until(moment, now)

    assert wait == (0.0 if moment <= now else pytest.approx(moment - now, abs=1e-3))
    assert now + wait >= moment


MOMENTS = st.lists(
    st.floats(0, 90, allow_nan=False) | st.sampled_from([0.0, 1.0, 59.9, 60.0]),
    max_size=60,
)


@given(MOMENTS, st.integers(1, 6))
def test_no_span_of_a_rolling_window_ever_holds_more_than_the_limit(
    pauses: list[float], limit: int
) -> None:
    quotas = Quotas()
    model: list[float] = []  # when requests were admitted
    for pause in pauses:
        quotas.clock.advance(pause)
        at = quotas.clock.steady()
        within = [taken for taken in model if taken + MINUTE > at]

        result = quotas.reserve(rolling(limit))

        assert isinstance(result, Lease) == (len(within) < limit)
        if isinstance(result, Lease):
            model.append(at)
        else:
            assert result.wait == pytest.approx(within[-limit] + MINUTE - at)


class Step(enum.Enum):
    TAKE, RELEASE, SETTLE, PASS = range(4)


STEPS = st.lists(
    st.tuples(
        st.sampled_from([Step.TAKE] * 4 + [Step.RELEASE, Step.SETTLE, Step.PASS]),
        st.floats(0, 50_000, allow_nan=False) | st.floats(0, 70, allow_nan=False),
    ),
    max_size=40,
)
MIXED = (
    Pool(
        "mixed",
        (
            Window(MINUTE, 4),
            Window(HOUR, 7),
            Window(DAY, 9, Kind.CALENDAR, "Europe/Berlin"),
        ),
    ),
    Pool("account", (Window(90, 5), Window(DAY, 10, Kind.CALENDAR, "UTC"))),
)


@given(STEPS, st.floats(1.7e9, 1.9e9, allow_nan=False))
@example([(Step.TAKE, 0.1)] * 30, 1_761_436_800.3)
@settings(deadline=None)
def test_who_waits_as_long_as_told_is_admitted(
    steps: list[tuple[Step, float]], epoch: float
) -> None:
    """Unless others were faster. And not a moment earlier."""
    quotas = Quotas(FakeClock(epoch=epoch))
    leases: list[Lease] = []
    for step, number in steps:
        match step:
            case Step.TAKE:
                result = quotas.reserve(*MIXED)
                if isinstance(result, Lease):
                    leases.append(result)
                else:
                    assert result.wait == quotas.wait(*MIXED) > 0
            case Step.RELEASE | Step.SETTLE if leases:
                lease = leases.pop(int(number) % len(leases))
                (quotas.release if step == Step.RELEASE else quotas.settle)(lease)
            case Step.PASS:
                quotas.clock.advance(number)

    wait = quotas.wait(*MIXED)
    if wait > 1e-3:
        quotas.clock.advance(wait - 1e-3)
        assert quotas.denied(*MIXED).wait == pytest.approx(1e-3, abs=1e-5)
    quotas.clock.advance(quotas.wait(*MIXED))
    assert quotas.wait(*MIXED) == 0.0
    quotas.take(*MIXED)


ZONES = [
    *("UTC", "America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata", "Pacific/Auckland")
]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "day", ["2026-11-04", "2028-02-28", "2028-02-29", "2026-12-31"]
)
def test_a_day_ends_at_midnight_in_its_zone(zone: str, day: str) -> None:
    quotas = Quotas(at(f"{day}T23:59:00", zone))

    assert quotas.fill(daily(3, zone)) == 3
    assert quotas.denied(daily(3, zone)) == Denial(f"daily {zone}", "day", 60.0)
    quotas.clock.advance(59.999)
    quotas.denied(daily(3, zone))
    quotas.clock.advance(0.001)
    assert quotas.fill(daily(3, zone)) == 3
    assert quotas.denied(daily(3, zone)).wait == DAY


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/Los_Angeles", "2027-03-14", 23),
        ("America/Los_Angeles", "2026-11-01", 25),
        ("Europe/Berlin", "2027-03-28", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Pacific/Auckland", "2026-09-27", 23),
        ("Pacific/Auckland", "2027-04-04", 25),
    ],
)
def test_a_day_on_which_clocks_change_is_as_long_as_it_is(
    zone: str, day: str, hours: int
) -> None:
    quotas = Quotas(at(f"{day}T00:00:00", zone))

    assert quotas.fill(daily(2, zone)) == 2
    assert quotas.denied(daily(2, zone)).wait == hours * HOUR
    quotas.clock.advance(hours * HOUR - 1)
    quotas.denied(daily(2, zone))
    quotas.clock.advance(1)
    assert quotas.fill(daily(2, zone)) == 2


def test_a_wall_clock_set_back_ends_no_day_early() -> None:
    quotas = Quotas(at("2026-11-04T23:30:00", "UTC"))
    quotas.fill(daily(2))

    quotas.clock.epoch -= HOUR
    quotas.clock.advance(30 * 60)
    quotas.denied(daily(2))
    quotas.clock.advance(59 * 60)
    assert quotas.denied(daily(2)).wait == pytest.approx(60.0)
    quotas.clock.advance(60)
    assert quotas.fill(daily(2)) == 2


def test_a_wall_clock_set_ahead_ends_no_day_early() -> None:
    quotas = Quotas(at("2026-11-04T23:30:00", "UTC"))
    quotas.fill(daily(2))

    quotas.clock.epoch += HOUR
    assert quotas.denied(daily(2)).wait == pytest.approx(30 * 60)
    quotas.clock.epoch -= HOUR
    assert quotas.denied(daily(2)).wait == pytest.approx(30 * 60)
    quotas.clock.advance(30 * 60)
    assert quotas.fill(daily(2)) == 2


@given(
    st.lists(
        st.tuples(st.floats(0, 4 * HOUR), st.sampled_from([0, 0, -HOUR, HOUR])),
        max_size=60,
    ),
    st.integers(0, DAY),
)
@settings(deadline=None)
def test_no_true_day_holds_more_than_the_limit_though_the_clock_jumps(
    steps: list[tuple[float, int]], start: int
) -> None:
    """The wall clock is wrong by an hour for less than two, and right again."""
    clock = FakeClock(now=0.0, epoch=20_000.0 * DAY + start)
    true, quotas = clock.epoch, Quotas(clock)
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
        while isinstance(quotas.reserve(daily(5)), Lease):
            admitted[day] = admitted.get(day, 0) + 1

    assert max(admitted.values(), default=0) <= 5


@pytest.mark.parametrize("jump", [8 * HOUR, 400 * DAY])
def test_a_machine_that_slept_finds_its_quota_free(jump: int) -> None:
    quotas = Quotas(at("2026-11-04T23:30:00", "UTC"))
    quotas.fill(daily(2))

    quotas.clock.epoch += jump

    assert quotas.fill(daily(2)) == 2


def test_a_clock_that_was_a_year_ahead_bans_nothing_for_a_year() -> None:
    quotas = Quotas(at("2027-11-04T12:00:00", "UTC"))
    quotas.fill(daily(2))

    quotas.clock.epoch -= 365 * DAY

    assert quotas.denied(daily(2)).wait == pytest.approx(12 * HOUR)
    quotas.clock.advance(12 * HOUR)
    assert quotas.fill(daily(2)) == 2


def test_a_jump_that_lasts_is_believed() -> None:
    quotas = Quotas(at("2026-11-04T12:00:00", "UTC"))
    quotas.fill(daily(2))
    quotas.clock.epoch += HOUR
    quotas.denied(daily(2))

    quotas.clock.advance(11 * HOUR)

    assert quotas.fill(daily(2)) == 2


def test_a_pool_rests_for_as_long_as_the_provider_says() -> None:
    quotas = Quotas()

    assert quotas.rest(rolling(9), 7.5) == 7.5
    assert quotas.denied(rolling(9)) == Denial("rolling 60", "rest", 7.5)
    quotas.clock.advance(7.5)
    assert quotas.fill(rolling(9)) == 9


def test_a_shorter_rest_does_not_cut_a_longer_one() -> None:
    quotas = Quotas()
    quotas.rest(rolling(9), 30.0)

    assert quotas.rest(rolling(9), 5.0) == 30.0
    assert quotas.rest(rolling(9)) == 30.0


def refused(quotas: Quotas, pool: Pool) -> float:
    """Ask once more, as soon as may be, and be refused without a hint."""
    quotas.clock.advance(quotas.wait(pool))
    quotas.release(quotas.take(pool))
    return quotas.rest(pool)


def test_without_a_hint_rests_double_up_to_the_window() -> None:
    quotas = Quotas()
    rests = [refused(quotas, rolling(999)) for _ in range(8)]

    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_of_many_refused_together_only_the_first_counts() -> None:
    quotas = Quotas()
    leases = [quotas.take(rolling(99)) for _ in range(50)]
    for lease in leases:
        quotas.release(lease)

    assert {quotas.rest(rolling(99)) for _ in leases} == {1.0}


def test_after_a_rest_one_request_probes() -> None:
    quotas = Quotas()
    for _ in range(3):
        refused(quotas, rolling(99))
    quotas.clock.advance(4.0)

    probe = quotas.take(rolling(99))
    assert quotas.denied(rolling(99)).wait == 2.0
    quotas.settle(probe)
    assert quotas.fill(rolling(99)) == 98


def test_a_probe_that_is_not_refused_soon_lets_others_follow() -> None:
    quotas = Quotas()
    for _ in range(3):
        refused(quotas, rolling(99))
    quotas.clock.advance(4.0)
    quotas.take(rolling(99))

    quotas.clock.advance(2.0)

    follower = quotas.take(rolling(99))
    quotas.release(follower)
    assert quotas.fill(rolling(90)) == 89
    assert quotas.rest(rolling(99)) == 8.0  # refused after all
    quotas.clock.advance(8.0)
    quotas.take(rolling(99))
    assert quotas.denied(rolling(99)).wait == 2.0


def test_a_probe_that_was_given_back_makes_room_for_another() -> None:
    quotas = Quotas()
    refused(quotas, rolling(99))
    quotas.clock.advance(1.0)

    quotas.release(quotas.take(rolling(99)))

    quotas.take(rolling(99))


def test_an_answer_ends_the_doubling() -> None:
    quotas = Quotas()
    for _ in range(4):
        refused(quotas, rolling(99))
    quotas.clock.advance(8.0)
    quotas.settle(quotas.take(rolling(99)))

    assert refused(quotas, rolling(99)) == 1.0


def test_an_answer_asked_for_before_the_rest_does_not_end_it() -> None:
    quotas = Quotas()
    before = quotas.take(rolling(99))
    for _ in range(3):
        refused(quotas, rolling(99))

    quotas.clock.advance(4.0)
    quotas.take(rolling(99))
    quotas.settle(before)

    assert quotas.denied(rolling(99)).window == "rest"
    quotas.clock.advance(2.0)
    assert quotas.rest(rolling(99)) == 8.0


def test_a_rest_the_provider_asked_for_outlasts_a_probe_given_back() -> None:
    quotas = Quotas()
    refused(quotas, rolling(99))
    quotas.clock.advance(1.0)
    probe = quotas.take(rolling(99))
    quotas.rest(rolling(99), 30.0)

    quotas.release(probe)

    assert quotas.denied(rolling(99)).wait == 30.0


def test_what_was_learned_is_forgotten_when_its_window_has_ended() -> None:
    quotas = Quotas()
    for _ in range(5):
        refused(quotas, rolling(99))
    quotas.clock.advance(16.0 + MINUTE)

    assert quotas.fill(rolling(99)) == 99
    quotas.clock.advance(MINUTE)
    assert refused(quotas, rolling(99)) == 1.0


def test_what_was_learned_is_forgotten_also_while_nobody_asks() -> None:
    quotas = Quotas()
    for _ in range(5):
        refused(quotas, rolling(99))
    quotas.clock.advance(16.0)
    slow = quotas.take(rolling(99))
    quotas.clock.advance(MINUTE)

    quotas.release(slow)

    assert quotas.rest(rolling(99)) == 1.0


def test_a_pool_without_windows_can_rest_too() -> None:
    quotas = Quotas()
    pool = Pool("free", ())

    assert [refused(quotas, pool) for _ in range(8)][-2:] == [60.0, 60.0]
    assert quotas.wait(pool) == 60.0


def test_pools_rest_on_their_own() -> None:
    quotas = Quotas()
    quotas.rest(rolling(9), 30.0)

    quotas.take(rolling(9, HOUR))
    assert quotas.denied(rolling(9, HOUR), rolling(9)).pool == "rolling 60"
