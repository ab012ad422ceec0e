import pytest

from tests.fakes import FakeClock
from tproxy.core.quota import HOUR
from tproxy.state.calm import CalmClock


@pytest.mark.parametrize("jump", [0.0, 0.5, -0.5, 59.0, -59.0])
def test_a_small_jump_is_believed(jump: float) -> None:
    clock = FakeClock()
    calm = CalmClock(clock)

    clock.epoch += jump

    assert calm.wall() == clock.wall()


@pytest.mark.parametrize("jump", [3 * HOUR, -3 * HOUR, 1e9])
def test_a_large_jump_is_believed(jump: float) -> None:
    clock = FakeClock()
    calm = CalmClock(clock)

    clock.epoch += jump

    assert calm.wall() == clock.wall()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 61.0, -61.0, 2 * HOUR])
def test_any_other_is_not_until_it_has_lasted(jump: float) -> None:
    clock = FakeClock()
    calm, before = CalmClock(clock), clock.wall()
    clock.epoch += jump

    assert calm.wall() == before
    clock.advance(2 * HOUR - 1)
    assert calm.wall() == before + 2 * HOUR - 1
    clock.advance(1)
    assert calm.wall() == clock.wall() == before + 2 * HOUR + jump


def test_a_jump_that_is_taken_back_was_none() -> None:
    clock = FakeClock()
    calm = CalmClock(clock)
    for _ in range(3):
        clock.epoch += HOUR
        calm.wall()
        clock.advance(1.5 * HOUR)
        clock.epoch -= HOUR
        assert calm.wall() == clock.wall()

    clock.epoch += HOUR
    assert calm.wall() == clock.wall() - HOUR


def test_many_small_jumps_are_followed() -> None:
    clock = FakeClock()
    calm = CalmClock(clock)
    for _ in range(1_000):
        clock.epoch += 50.0
        clock.advance(10.0)
        assert calm.wall() == clock.wall()


def test_steady_time_is_left_alone() -> None:
    clock = FakeClock()
    calm = CalmClock(clock)
    clock.epoch += HOUR
    clock.advance(7.0)

    assert calm.steady() == clock.steady()
