"""Numbers that outlive who wrote them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tproxy.observe.tallies import ALIVE, Key, Tallies

KEY = ("requests", "a")
NOW = ("busy",)


def sums(tallies: Tallies, now: float = 0.0) -> dict[Key, list[float]]:
    found: dict[Key, list[float]] = {}
    for tally in tallies.all:
        tally.look()
        for name in tally.names:
            for key in tally.add_to(found, name, now):
                assert key[0] == name
    return found


def test_those_of_all_places_are_added_up() -> None:
    tallies = Tallies(3)
    for number in (1, 2, 3):
        tallies.own(number).add(KEY, number)

    assert sums(tallies) == {KEY: [6.0]}


def test_those_of_a_histogram_each_by_itself() -> None:
    tallies = Tallies(2)
    for number in (1, 2):
        tally = tallies.own(number)
        at = tally.at(KEY, width=3)
        tally.cells[at + number] += 0.5

    assert sums(tallies) == {KEY: [0.0, 0.5, 0.5]}


def test_what_is_new_since_the_last_look_is_seen() -> None:
    tallies = Tallies()
    tally = tallies.own(1)
    assert sums(tallies) == {}

    tally.add(KEY)
    assert sums(tallies) == {KEY: [1.0]}

    tally.add(("other",), 2.0)
    tally.add(KEY)
    assert sums(tallies) == {KEY: [2.0], ("other",): [2.0]}


def test_who_follows_goes_on_with_what_was_counted_and_not_with_what_was_so() -> None:
    tallies = Tallies()
    first = tallies.own(1)
    first.add(KEY, 2.0)
    first.show(NOW, 5.0)
    first.follow(("cpu",), 3.0)
    first.follow(("cpu",), 4.0)
    first.beat(100.0)
    assert sums(tallies, 101.0) == {KEY: [2.0], NOW: [5.0], ("cpu",): [4.0]}

    second = tallies.own(1)
    assert sums(tallies, 101.0) == {KEY: [2.0], ("cpu",): [4.0]}
    second.add(KEY)
    second.follow(("cpu",), 0.5)
    second.beat(101.0)

    assert sums(tallies, 101.0) == {KEY: [3.0], NOW: [0.0], ("cpu",): [4.5]}


def test_what_is_so_passes_with_a_process_that_is_not_heard_of() -> None:
    tallies = Tallies(2)
    for number in (1, 2):
        tally = tallies.own(number)
        tally.show(NOW, 1.0)
        tally.beat(100.0 + number)

    for now, busy in [(102.0, [2.0]), (101.5 + ALIVE, [1.0]), (103.0 + ALIVE, None)]:
        assert sums(tallies, now).get(NOW) == busy


def test_what_a_process_takes_back_stays_counted_until_it_counts_as_much() -> None:
    tallies = Tallies()
    tally = tallies.own(1)

    for number, counted in [(3.0, 3.0), (2.0, 3.0), (3.0, 3.0), (4.0, 4.0)]:
        tally.follow(KEY, number)
        assert sums(tallies) == {KEY: [counted]}


def test_a_series_that_was_begun_and_never_there_leaves_nothing() -> None:
    tallies = Tallies()
    tally = tallies.own(1)
    tally.add(("a" * 80,), 7.0)
    tally.cells[0] = 0.0  # as if killed just before it says so

    tallies.own(1).add(KEY)

    assert sums(tallies) == {KEY: [1.0]}


def test_what_finds_no_room_is_told_by_number_and_harms_nothing() -> None:
    tallies = Tallies(2, size=1_024)
    first, second = tallies.own(1), tallies.own(2)
    second.add(KEY)
    for number in range(50):
        first.add(("many", str(number)))
        first.add(("many", str(number)))
    first.at(("wide",), width=30)
    told = sums(tallies)

    assert set(map(tuple, told.values())) == {(1.0,), (2.0,)}
    assert told[KEY] == [1.0]
    assert 0 < len(told) - 1 < 50
    assert tallies.all[0].lost == 51 - (len(told) - 1)
    assert tallies.all[1].lost == 0

    tallies.own(1)  # may have room for what it needs
    assert tallies.all[0].lost == 0


@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.tuples(st.text(max_size=9), st.text(max_size=9)),
            st.integers(0, 1_000),
        ),
        max_size=60,
    ),
    st.sets(st.integers(0, 60)),
)
def test_nothing_is_lost_whoever_is_followed_when(
    counted: list[tuple[int, Key, int]], followed: set[int]
) -> None:
    tallies, expected = Tallies(3, size=65_536), dict[Key, int]()
    own = {number: tallies.own(number) for number in (1, 2, 3)}
    for step, (number, key, amount) in enumerate(counted):
        if step in followed:
            own[number] = tallies.own(number)
        own[number].add(key, amount)
        expected[key] = expected.get(key, 0) + amount
        if step % 7 == 0:
            assert sums(tallies) == {key: [n] for key, n in expected.items()}

    assert sums(tallies) == {key: [n] for key, n in expected.items()}
