from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import FakeClock
from tests.state.quotas import Quotas, at, daily, now, rolling
from tproxy.core import failures
from tproxy.core.breaker import BreakerPolicy
from tproxy.core.quota import DAY, HOUR, MINUTE, Kind, Pool, Room, Window
from tproxy.core.state import Denial, Lease
from tproxy.state.memory import MemoryBreakers, MemoryQuotas, MemoryTurns


@pytest.mark.parametrize("pool", [rolling(100), rolling(100, HOUR), daily(100)])
def test_of_ten_thousand_attempts_exactly_the_limit_is_admitted(pool: Pool) -> None:
    quotas = Quotas()

    results = [quotas.reserve(pool) for _ in range(10_000)]

    assert [isinstance(result, Lease) for result in results] == (
        [True] * 100 + [False] * 9_900
    )
    assert len({lease.id for lease in results if isinstance(lease, Lease)}) == 100


def test_of_ten_thousand_interleaved_tasks_exactly_the_limit_is_admitted() -> None:
    quotas = MemoryQuotas(FakeClock())
    pools = [
        Pool("shared", (Window(MINUTE, 1_000), Window(DAY, 700, Kind.CALENDAR))),
        rolling(5_000),
    ]

    async def attempt(number: int) -> bool:
        for _ in range(number % 3):
            await asyncio.sleep(0)
        lease = await quotas.reserve(pools)
        await asyncio.sleep(0)
        if isinstance(lease, Lease) and number % 2:
            await quotas.settle(lease)
        return isinstance(lease, Lease)

    async def test() -> int:
        return sum(await asyncio.gather(*map(attempt, range(10_000))))

    assert asyncio.run(test()) == 700


def test_what_is_given_back_by_some_is_taken_by_others() -> None:
    quotas = MemoryQuotas(FakeClock())
    pool = rolling(50)
    under_way = most = admitted = 0

    async def attempt() -> None:
        nonlocal under_way, most, admitted
        lease = await quotas.reserve([pool])
        if isinstance(lease, Denial):
            return
        admitted += 1
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await quotas.release(lease)

    async def test() -> None:
        for _ in range(20):
            await asyncio.gather(*(attempt() for _ in range(500)))

    asyncio.run(test())
    assert most == 50
    assert admitted == 20 * 50


def test_without_windows_there_is_no_limit() -> None:
    quotas = Quotas()

    assert quotas.fill(Pool("free", ())) == 10_000
    assert isinstance(quotas.reserve(), Lease)
    assert quotas.room(Pool("free", ())) is None


def test_all_pools_give_or_none() -> None:
    quotas = Quotas()
    own, account = rolling(5), daily(2)
    for _ in range(2):
        quotas.take(own, account)

    for _ in range(100):
        assert quotas.denied(own, account).pool == account.name

    assert quotas.fill(own) == 3
    assert quotas.denied(own, account).pool == account.name


def test_the_longest_wait_is_told() -> None:
    quotas = Quotas()
    minute, hour = rolling(1), rolling(1, HOUR)
    both = Pool("both", (*hour.windows, *minute.windows))
    quotas.take(minute, hour, both)
    quotas.clock.advance(5.0)

    for pools in ((minute, hour), (hour, minute)):
        assert quotas.denied(*pools) == Denial("rolling 3600", "hour", 3595.0)
    assert quotas.denied(both) == Denial("both", "hour", 3595.0)
    assert now(quotas.store.waits([[minute], [hour], [minute, hour], []])) == [
        *(55.0, 3595.0, 3595.0, 0.0)
    ]


def test_asking_for_waits_and_room_takes_nothing() -> None:
    quotas = Quotas()
    for _ in range(100):
        quotas.wait(rolling(2), daily(2))
        quotas.room(rolling(2), daily(2))

    assert quotas.fill(rolling(2)) == 2


@pytest.mark.parametrize("pool", [rolling(3), daily(3)])
def test_what_is_released_can_be_taken_again_at_once(pool: Pool) -> None:
    quotas = Quotas()
    leases = [quotas.take(pool) for _ in range(3)]

    for lease in leases[:2]:
        quotas.release(lease)

    assert quotas.fill(pool) == 2


@pytest.mark.parametrize("pool", [rolling(3), daily(3)])
def test_a_lease_ends_once(pool: Pool) -> None:
    quotas = Quotas()
    released, settled = quotas.take(pool), quotas.take(pool)
    quotas.release(released)
    quotas.settle(settled)

    for lease in (released, settled):
        quotas.release(lease)
        quotas.settle(lease)

    assert quotas.fill(pool) == 2


def test_a_release_after_the_window_has_turned_gives_nothing_back() -> None:
    for pool in (rolling(2), daily(2)):
        quotas = Quotas(at("2026-11-04T23:59:30", "UTC"))
        late = quotas.take(pool)
        quotas.clock.advance(61.0)
        assert quotas.fill(pool) == 2

        quotas.release(late)

        quotas.denied(pool)


def test_a_release_gives_the_place_of_its_own_moment_back() -> None:
    quotas = Quotas()
    first = quotas.take(rolling(2))
    quotas.clock.advance(20.0)
    quotas.take(rolling(2))

    quotas.release(first)

    quotas.take(rolling(2))
    assert quotas.denied(rolling(2)).wait == 60.0


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 100), st.floats(0, 40)), max_size=60
    ),
    st.sampled_from([rolling(4), daily(4)]),
)
@settings(deadline=None)
def test_counts_are_those_of_a_model_that_forgets_what_was_released(
    steps: list[tuple[bool, int, float]], pool: Pool
) -> None:
    clock = FakeClock(now=0.0, epoch=20_000.0 * DAY + 86_000)
    quotas = Quotas(clock)
    taken: dict[int, tuple[float, Lease]] = {}
    for number, (takes, which, passed) in enumerate(steps):
        clock.advance(passed)
        if takes:
            result = quotas.reserve(pool)
            if pool.windows[0].kind is Kind.ROLLING:
                counted = [t for t, _ in taken.values() if t + MINUTE > clock.now]
            else:
                today = clock.wall() // DAY
                counted = [
                    t for t, _ in taken.values() if (clock.epoch + t) // DAY == today
                ]
            assert isinstance(result, Lease) == (len(counted) < 4)
            if isinstance(result, Lease):
                taken[number] = (clock.now, result)
        elif taken:
            key = list(taken)[which % len(taken)]
            quotas.release(taken.pop(key)[1])


def test_the_room_is_that_of_the_tightest_window() -> None:
    quotas = Quotas(at("2026-11-04T23:00:00", "UTC"))
    pools = rolling(10), daily(5)
    assert quotas.room(*pools) == Room(5, 5, 0.0)

    for _ in range(2):
        quotas.take(*pools)

    assert quotas.room(*pools) == Room(5, 3, HOUR)
    quotas.clock.advance(HOUR)
    assert quotas.room(*pools) == Room(5, 5, 0.0)


def test_a_lease_tells_the_room_it_leaves() -> None:
    quotas = Quotas(at("2026-11-04T23:00:00", "UTC"))
    pools = rolling(3), daily(5)

    for left in (2, 1, 0):
        lease = quotas.take(*pools)
        assert lease.room == quotas.room(*pools) == Room(3, left, 60.0)
        quotas.settle(lease)

    assert quotas.take(Pool("free", ())).room is None


def test_counting_goes_on_through_any_number_of_reloads() -> None:
    quotas = Quotas()
    for _ in range(25_000):
        quotas.wait(rolling(2))
    quotas.take(rolling(2))
    for _ in range(25_000):
        quotas.wait(rolling(2))

    quotas.take(rolling(2))
    quotas.denied(rolling(2))


def test_a_rolling_window_has_reset_when_its_newest_request_is_out_of_it() -> None:
    quotas = Quotas()
    assert quotas.room(rolling(3)) == Room(3, 3, 0.0)
    quotas.take(rolling(3))
    quotas.clock.advance(10.0)
    newest = quotas.take(rolling(3))

    assert quotas.room(rolling(3)) == Room(3, 1, 60.0)
    quotas.release(newest)
    assert quotas.room(rolling(3)) == Room(3, 2, 50.0)


@pytest.mark.parametrize("pool", [rolling, daily])
def test_a_pool_with_another_limit_goes_on_counting(pool: Any) -> None:
    quotas = Quotas()
    for _ in range(5):
        quotas.take(pool(5))

    quotas.denied(pool(3))
    assert quotas.room(pool(3)) == Room(3, 0, quotas.wait(pool(3)))
    assert quotas.fill(pool(7)) == 2


def test_after_a_limit_was_lowered_enough_have_to_go_first() -> None:
    quotas = Quotas()
    for _ in range(5):
        quotas.take(rolling(5))
        quotas.clock.advance(1.0)

    assert quotas.denied(rolling(3)).wait == 57.0
    quotas.clock.advance(57.0)
    quotas.take(rolling(3))


def test_what_was_given_back_need_not_go() -> None:
    quotas = Quotas()
    leases = []
    for _ in range(5):
        leases.append(quotas.take(rolling(5)))
        quotas.clock.advance(1.0)

    quotas.release(leases[1])

    assert (
        quotas.denied(rolling(2)).wait == 58.0
    )  # three of four, the fourth from 3 s on


def test_a_lease_from_before_a_reload_is_given_back_after_it() -> None:
    quotas = Quotas()
    lease = quotas.take(rolling(1))

    quotas.denied(rolling(1))
    quotas.release(lease)

    assert quotas.fill(Pool("rolling 60", (Window(MINUTE, 1), Window(HOUR, 9)))) == 1


def test_breakers_are_kept_by_model() -> None:
    clock = FakeClock()
    breakers = MemoryBreakers(clock, BreakerPolicy(threshold=2, jitter=0.0, proofs=1))

    def resting() -> Sequence[float]:
        return now(breakers.resting(["a", "b"]))

    for _ in range(2):
        now(breakers.asked("a"))
        now(breakers.failed("a", failures.SERVER))
    assert resting() == [10.0, 0.0]
    clock.advance(10.0)
    assert resting() == [0.0, 0.0]
    now(breakers.asked("a"))
    assert resting() == [10.0, 0.0]
    now(breakers.excused("a"))
    assert resting() == [0.0, 0.0]
    now(breakers.asked("a"))
    now(breakers.failed("a", failures.SERVER))
    assert resting() == [20.0, 0.0]
    clock.advance(20.0)
    now(breakers.asked("a"))
    now(breakers.succeeded("a"))
    assert resting() == [0.0, 0.0]
    now(breakers.failed("a", failures.SERVER))
    assert resting() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("failure", "rests"),
    [(failures.AUTH, 10.0), (failures.RATE_LIMIT, 0.0), (failures.SERVER, 0.0)],
)
def test_a_breaker_goes_by_the_failures_row(
    failure: failures.Failure, rests: float
) -> None:
    breakers = MemoryBreakers(FakeClock(), BreakerPolicy(jitter=0.0))
    now(breakers.failed("a", failure))

    assert now(breakers.resting(["a"])) == [rests]


def test_nothing_is_known_of_a_model_never_asked() -> None:
    breakers = MemoryBreakers(FakeClock())
    now(breakers.asked("a"))
    now(breakers.succeeded("b"))
    now(breakers.excused("c"))

    assert now(breakers.resting(["a", "b", "c", "d"])) == [0.0] * 4


def test_a_turn_is_later_than_all_before() -> None:
    turns = MemoryTurns()
    assert turns.last("a") == 0

    for name in ("a", "b", "a"):
        turns.take(name)

    assert 0 < turns.last("b") < turns.last("a")
