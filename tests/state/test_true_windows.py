"""What a provider counts, by its own clock and a while after we did: never more than N.

Requests are taken in a store, reach the provider later, and are heard of later still or
given up just before; its windows are aligned as it likes. Our wall clock may be an hour
wrong for a while.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.shops import MemoryShop, Shop, SqliteShop, Till, budget, requests
from tproxy.core.budget import Budget
from tproxy.core.leases import UNHEARD_SECONDS, Lease
from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, WEEK, Kind

LIMIT = 5
LONGEST = 60.0  # seconds that a request is under way
ZONES = (
    "America/Los_Angeles",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Pacific/Auckland",
    "America/Sao_Paulo",
)
# Nights before both changes of the clock, north and south; before and after a leap day;
# and at the end of a year, on which a week and months end as well.
NIGHTS = ["2027-03-13", "2026-10-31", "2027-03-27", "2026-10-24", "2027-04-03"]
NIGHTS += ["2026-09-26", "2028-02-28", "2028-02-29", "2026-12-31", "2027-01-31"]

Step = tuple[float, float, float, float]  # a pause; the ways there and back; a jump
STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.3, 7.0, 50.0, 61.0, 1_800.0, 3_599.0, 40_000.0]),
        st.floats(0, LONGEST / 2),
        st.floats(0, LONGEST / 2),
        st.sampled_from([0.0, 0.0, 0.0, HOUR, -HOUR]),
    ),
    min_size=8,
    max_size=24,
)
EXAMPLES = settings(
    max_examples=5,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(params=["memory", "sqlite"])
def opened(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[[FakeClock], Shop]:
    """Opens an empty store."""
    if request.param == "memory":
        return MemoryShop
    numbers = itertools.count()
    return lambda clock: SqliteShop(clock, tmp_path / f"state{next(numbers)}.db")


def seen(
    opened: Callable[[FakeClock], Shop],
    whose: Budget,
    start: float,
    steps: Iterable[Step],
) -> list[float]:
    """The true moments at which requests reach the provider, as many as are let out."""
    clock = FakeClock(now=0.0, epoch=start)
    till = Till(opened(clock))
    coming: list[tuple[float, int, Lease, bool]] = []
    arrivals = []
    numbers = itertools.count()

    def go_on(until: float) -> None:
        while coming and coming[0][0] <= until:
            clock.now, number, lease, heard = heapq.heappop(coming)
            if number % 2 and heard:
                till.store.reached(lease)
            till.shop.run(till.store.settle(lease, heard=heard))
        clock.now = until

    for pause, there, back, jump in steps:
        wrong = clock.epoch != start
        go_on(clock.now + (min(pause, HOUR) if wrong else pause))
        clock.epoch = start if wrong else start + jump
        for place in range(LIMIT + 1):
            lease = till.reserve(whose, seconds=2 * LONGEST)
            if isinstance(lease, Lease):
                arrival = clock.now + there * place / LIMIT
                arrivals.append(start + arrival)
                number = next(numbers)
                over = max(arrival - 0.9 * UNHEARD_SECONDS, clock.now)
                if number % 3:
                    over = arrival + back
                heapq.heappush(coming, (over, number, lease, bool(number % 3)))
    till.shop.close()
    return sorted(arrivals)


def moment(night: str, zone: str) -> float:
    """Half an hour before midnight."""
    late = datetime.fromisoformat(f"{night}T23:30:00")
    return late.replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize("zone", ZONES)
@given(night=st.sampled_from(NIGHTS), steps=STEPS)
@EXAMPLES
def test_no_day_week_or_month_of_the_provider_holds_more(
    opened: Callable[[FakeClock], Shop], zone: str, night: str, steps: list[Step]
) -> None:
    for span, of_it in (
        (DAY, "%Y-%m-%d"),
        (WEEK, "%G-%V"),
        (MONTH, "%Y-%m"),
    ):
        whose = budget(requests(LIMIT, span, kind=Kind.CALENDAR, zone=zone))
        arrivals = seen(opened, whose, moment(night, zone), steps)

        place = ZoneInfo(zone)
        held = Counter(
            datetime.fromtimestamp(at, place).strftime(of_it) for at in arrivals
        )
        assert max(held.values()) <= LIMIT


@pytest.mark.parametrize("span", [2.0, MINUTE, HOUR])
@given(steps=STEPS, start=st.floats(1.7e9, 1.8e9))
@EXAMPLES
def test_no_span_of_the_provider_holds_more_however_it_is_aligned(
    opened: Callable[[FakeClock], Shop], span: float, steps: list[Step], start: float
) -> None:
    arrivals = seen(opened, budget(requests(LIMIT, span)), start, steps)

    for first, last in zip(arrivals, arrivals[LIMIT:], strict=False):
        assert last - first >= span - 1e-5  # of rounding, at such moments


@pytest.mark.parametrize("span", [MINUTE, HOUR, 5 * HOUR])
@given(steps=STEPS, start=st.floats(1.7e9, 1.8e9))
@EXAMPLES
def test_no_round_minute_or_hour_of_the_provider_holds_more(
    opened: Callable[[FakeClock], Shop], span: float, steps: list[Step], start: float
) -> None:
    steady = [(*step[:3], 0.0) for step in steps]
    whose = budget(requests(LIMIT, span, kind=Kind.CLOCK))
    arrivals = seen(opened, whose, start, steady)

    held = Counter((at // DAY, at % DAY // span) for at in arrivals)
    assert max(held.values()) <= LIMIT
