"""Leases that have expired, and whose owners speak of them after all."""

from __future__ import annotations

import pytest

from tests.state.shops import budget, requests, tokens
from tproxy.core.budget import Budget, Cost, Outcome
from tproxy.core.leases import LeaseId
from tproxy.core.windows import DAY, HOUR, Kind
from tproxy.state import ledger as ledgers
from tproxy.state.archive import Archive
from tproxy.state.ledger import Ledger
from tproxy.state.moments import Moment

LATE, OTHER = LeaseId("1"), LeaseId("2")
COST = Cost(1, 1_000)
SHORT = [
    tokens(9_000, 2.0),
    tokens(9_000, 2.0, kind=Kind.CLOCK),
    tokens(9_000, 2.0, kind=Kind.FIRST_USE),
]


def at(seconds: float) -> Moment:
    return Moment(seconds, seconds, seconds)


def take(ledger: Ledger, lease: LeaseId, whose: Budget, now: float) -> None:
    ledger.take(lease, ledger.plan([whose]), (1, COST.tokens, 0), 15.0, at(now))


def used(ledger: Ledger, whose: Budget, now: float) -> int:
    return ledger.state(whose, at(now)).limits[0].used


@pytest.mark.parametrize("limit", SHORT)
@pytest.mark.parametrize("swept", [16.0, 40.0])
def test_a_window_that_was_over_gives_nothing_back(limit: object, swept: float) -> None:
    """What others have taken in the one that is on stays theirs."""
    ledger, whose = Ledger(), Budget("b", (limit,))  # type: ignore[arg-type]
    take(ledger, LATE, whose, 0.0)
    take(ledger, OTHER, whose, 10.0)
    ledger.extend([OTHER], 90.0, at(10.0))
    ledger.sweep(at(swept))
    ledger.reached(OTHER, 50.5, at(50.5))

    ledger.release(LATE, at(51.0))
    assert used(ledger, whose, 51.0) == 1_000

    ledger.release(OTHER, at(51.0))
    assert used(ledger, whose, 51.0) == 0


def test_what_was_reached_too_long_ago_corrects_nobody_elses_count() -> None:
    ledger, whose = Ledger(), budget(requests(9, 2.0))
    take(ledger, LATE, whose, 0.0)
    take(ledger, OTHER, whose, 9.0)
    ledger.reached(OTHER, 10.0, at(10.0))
    ledger.reached(LATE, 1.0, at(10.0))

    ledger.settle(LATE, (0, 0, 0), Outcome.ANSWER, 1.0, 10.5, at(10.5))

    assert used(ledger, whose, 10.5) == 1


def test_it_was_in_flight_all_the_time_when_a_first_use_window_may_begin() -> None:
    """With it, that is, when it was sent."""
    ledger, whose = Ledger(), budget(requests(9, DAY, kind=Kind.FIRST_USE))
    take(ledger, LATE, whose, 0.0)
    ledger.sweep(at(20.0))
    take(ledger, OTHER, whose, 30.0)
    [counter] = ledger.plan([whose]).begins

    ledger.extend([LATE], 15.0, at(40.0))

    assert counter.idle == 0.0


def test_it_is_remembered_for_an_hour() -> None:
    ledger, whose = Ledger(), budget(tokens(9_000, DAY))
    take(ledger, LATE, whose, 0.0)
    ledger.sweep(at(15.0))
    take(ledger, OTHER, whose, HOUR)
    ledger.sweep(at(HOUR + 15.0))
    assert list(ledger.late) == [OTHER]

    ledger.release(LATE, at(HOUR + 15.0))

    assert used(ledger, whose, HOUR + 15.0) == 2_000


def test_no_more_are_remembered_than_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledgers, "_MOST_LATE", 3)
    ledger, whose = Ledger(), budget(requests(9, DAY))
    for number in range(9):
        take(ledger, LeaseId(str(number)), whose, float(number))

    ledger.sweep(at(30.0))

    assert list(ledger.late) == ["6", "7", "8"]


def test_who_looks_when_the_first_is_due_finds_out_whether_it_is() -> None:
    ledger, whose = Ledger(), budget(max_concurrent=1)
    take(ledger, LATE, whose, 0.0)
    ledger.extend([LATE], 15.0, at(10.0))

    assert [ledger.overdue(at(now)) for now in (14.9, 15.0, 24.9, 25.0)] == [
        *(False, False, False),
        True,
    ]


def test_an_archive_remembers_it() -> None:
    archive, whose = Archive(), budget(tokens(9_000, HOUR))
    archive._introduce(1, whose)
    take(archive.ledger, LATE, whose, 0.0)
    archive.ledger.sweep(at(15.0))

    loaded = Archive.load(archive.dump())

    assert loaded.dump() == archive.dump()
    loaded.ledger.settle(LATE, (1, 5_000, 0), Outcome.ANSWER, 16.0, 16.0, at(16.0))
    assert used(loaded.ledger, whose, 16.0) == 5_000
