"""Breakers and starts over several processes: in memory, SQLite and Redis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tests.state.boards import (
    POLICY,
    BoardHall,
    MemoryHall,
    Node,
    numbered,
    redis_hall,
    sqlite_hall,
)
from tests.state.shops import soon
from tproxy.core import failures
from tproxy.core.breaker import BreakerState, State

Opening = Callable[[], MemoryHall]


def _opening(kind: str, request: pytest.FixtureRequest, folder: Path) -> Opening:
    if kind == "memory":
        return lambda: MemoryHall(FakeClock())
    if kind == "redis":
        server = request.getfixturevalue("server")
        return lambda: redis_hall(FakeClock(), server)
    path = numbered(folder)
    return lambda: sqlite_hall(FakeClock(), path())


@pytest.fixture(params=["memory", "sqlite", "redis"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Opening:
    """Opens an empty hall of each kind; a test that takes it runs on each."""
    return _opening(request.param, request, tmp_path)


@pytest.fixture
def hall(opening: Opening) -> Iterator[MemoryHall]:
    hall = opening()
    yield hall
    hall.close()


@pytest.fixture
def pair(hall: MemoryHall) -> tuple[Node, Node]:
    return hall.node(), hall.node()


@pytest.fixture(params=["sqlite", "redis"])
def wide(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemoryHall]:
    """One in which nodes are not all the same."""
    hall = _opening(request.param, request, tmp_path)()
    yield hall
    hall.close()


@pytest.fixture
def apart(wide: MemoryHall) -> tuple[Node, Node]:
    return wide.node(), wide.node()


def test_what_one_has_opened_rests_for_all(
    hall: MemoryHall, pair: tuple[Node, Node]
) -> None:
    one, other = pair
    one.failed(failures.AUTH)
    hall.clock.advance(0.5)
    hall.meet()

    assert one.resting() == other.resting() == soon(9.5)
    assert other.resting("another") == 0.0
    [state] = hall.run(other.breakers.states(["m"]))
    assert state == BreakerState(State.OPEN, soon(9.5), 1, 1)


def test_what_one_has_proven_is_closed_for_all(
    hall: MemoryHall, pair: tuple[Node, Node]
) -> None:
    one, other = pair
    one.failed(failures.AUTH)
    hall.meet()
    hall.clock.advance(10.0)
    assert other.resting() == 0.0
    other.asked()
    other.succeeded()
    hall.meet()

    states = [hall.run(node.breakers.states(["m"])) for node in pair]
    assert states == [[BreakerState()], [BreakerState()]]


def test_rests_grow_whoever_probes(hall: MemoryHall, pair: tuple[Node, Node]) -> None:
    one, other = pair
    one.failed(failures.SERVER)
    one.failed(failures.AUTH)
    for prober, rest in ((other, 20.0), (one, 40.0), (other, 80.0)):
        hall.meet()
        hall.clock.advance(prober.resting())
        assert prober.resting() == 0.0
        prober.asked()
        prober.failed(failures.SERVER)
        hall.meet()
        assert one.resting() == other.resting() == soon(rest)


def test_who_comes_later_learns_what_rests(hall: MemoryHall) -> None:
    one = hall.node()
    one.failed(failures.AUTH)
    one.meet()
    hall.clock.advance(4.0)
    late = hall.node()
    late.meet()

    assert late.resting() == soon(6.0)


def test_a_relief_is_for_all(hall: MemoryHall, pair: tuple[Node, Node]) -> None:
    one, other = pair
    one.failed(failures.AUTH)
    hall.meet()
    one.breakers.relieve("m")
    one.breakers.relieve("never heard of")
    hall.meet()

    assert other.resting() == 0.0
    [state] = hall.run(other.breakers.states(["m"]))
    assert state.state is State.HALF_OPEN


def test_one_process_probes_at_a_time(
    wide: MemoryHall, apart: tuple[Node, Node]
) -> None:
    one, other = apart
    one.failed(failures.AUTH)
    wide.meet()
    wide.clock.advance(10.0)

    assert [one.resting(), other.resting(), one.resting()] == [0.0, 5.0, 0.0]
    one.asked()
    wide.meet()
    assert one.resting() == other.resting() == soon(10.0)
    one.breakers.excused("m")
    wide.meet()
    wide.clock.advance(5.0)
    assert other.resting() == 0.0  # whoever is first
    assert one.resting() > 0.0


def test_a_turn_that_is_not_used_passes_on(
    wide: MemoryHall, apart: tuple[Node, Node]
) -> None:
    one, other = apart
    one.failed(failures.AUTH)
    wide.meet()
    wide.clock.advance(10.0)
    assert (one.resting(), other.resting()) == (0.0, 5.0)
    wide.clock.advance(5.0)

    assert (one.resting(), other.resting()) == (soon(1.0), 0.0)


def test_failures_seen_by_one_alone_stay_there(
    wide: MemoryHall, apart: tuple[Node, Node]
) -> None:
    one, other = apart
    for _ in range(POLICY.threshold - 1):
        one.failed(failures.SERVER)
        other.failed(failures.SERVER)
        wide.meet()

    assert (one.resting(), other.resting()) == (0.0, 0.0)
    one.failed(failures.SERVER)
    wide.meet()
    assert other.resting() == soon(10.0)


def test_who_opens_it_as_well_does_not_make_it_longer(
    wide: MemoryHall, apart: tuple[Node, Node]
) -> None:
    one, other = apart
    one.failed(failures.AUTH)
    other.failed(failures.AUTH)
    wide.meet()

    assert one.resting() == other.resting() == soon(10.0)


def test_who_has_had_to_open_it_more_often_is_right(
    wide: MemoryHall, apart: tuple[Node, Node]
) -> None:
    one, other = apart
    one.failed(failures.AUTH)
    one.asked()
    one.failed(failures.SERVER)
    one.meet()
    other.failed(failures.AUTH)
    other.meet()
    one.meet()

    assert one.resting() == other.resting() == soon(20.0)


def test_starts_are_so_far_apart(hall: MemoryHall, pair: tuple[Node, Node]) -> None:
    one, other = pair

    assert (one.take(), other.take(), one.take()) == (0.0, 1.0, 1.0)
    assert one.starts.wait("s", 1.0) == other.starts.wait("s", 1.0) == soon(1.0)
    assert one.take("another") == 0.0
    hall.clock.advance(0.25)
    assert (other.take(), other.take("s", 0.5)) == (soon(0.75), soon(0.25))
    assert other.starts.wait("s", 1.0) == soon(0.75)
    late = hall.node()
    assert late.take() == late.starts.wait("s", 1.0) == soon(0.75)
    hall.clock.advance(0.75)
    assert one.starts.wait("s", 1.0) == 0.0
    assert (other.take(), one.take()) == (0.0, 1.0)


def test_a_start_that_is_given_back_is_another_ones(
    hall: MemoryHall, pair: tuple[Node, Node]
) -> None:
    one, other = pair
    one.take()
    one.give_back()
    assert other.take() == 0.0

    one.give_back()  # which is not its own any more
    assert other.take() == (1.0 if isinstance(hall, BoardHall) else 0.0)


INTERVALS = st.sampled_from([0.001, 0.1, 0.3, 1.0, 7.7])
STEPS = st.tuples(st.integers(0, 2), st.floats(0.0, 3.0), st.booleans())


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # opens a new one
)
@given(interval=INTERVALS, steps=st.lists(STEPS, max_size=20))
def test_no_two_starts_are_closer(
    opening: Opening, interval: float, steps: list[tuple[int, float, bool]]
) -> None:
    hall = opening()
    try:
        nodes, begun = [hall.node() for _ in range(3)], []
        for who, passed, patient in steps:
            hall.clock.advance(passed * interval)
            wait = nodes[who].take("s", interval)
            assert 0.0 <= wait <= interval + 1e-9
            if wait and patient:
                hall.clock.advance(wait)
                wait = nodes[who].take("s", interval)
                assert wait == 0.0  # nobody came between
            if not wait:
                begun.append(hall.clock.steady())
        gaps = [after - before for before, after in itertools.pairwise(begun)]
        assert min(gaps, default=interval) >= interval - 1e-9
    finally:
        hall.close()
