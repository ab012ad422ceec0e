"""A ledger's plans: by what was asked for, and not by where that lies in memory."""

from __future__ import annotations

import itertools

import attrs

from tproxy.core.budget import Budget
from tproxy.state.ledger import Ledger

SOME = tuple(Budget(str(number)) for number in range(8))


def test_what_lies_where_another_lay_is_not_taken_for_that() -> None:
    ledger = Ledger()

    for asked in itertools.islice(itertools.permutations(SOME, 6), 10_100):
        assert ledger.plan(asked).budgets == asked
        assert len(ledger._known) <= len(ledger._plans) <= 10_000


def test_equals_have_one_plan_whoever_made_them() -> None:
    """As after a reload, while what was leased before is under way still."""
    ledger = Ledger()

    plan = ledger.plan(SOME)

    again = tuple(attrs.evolve(budget) for budget in SOME)
    assert ledger.plan(again) is ledger.plan([*SOME]) is ledger.plan(SOME) is plan
