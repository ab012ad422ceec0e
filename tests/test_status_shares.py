"""`tproxy status`: what it prints of quotas that are shared by priority."""

from __future__ import annotations

import attrs

from tests.test_status import BARE, body, of
from tproxy.core.status import BudgetStatus, SharesStatus, ShareStatus
from tproxy.status import table


def test_each_class_has_a_line_below_its_limit() -> None:
    parts = SharesStatus(high=ShareStatus(7, 8, 12), rest=ShareStatus(3, 1, 0))
    pool = BudgetStatus("pool/p", (of("tokens", 10, 1, shares=parts),), 0, None, 0.0)

    said = table(body(attrs.evolve(BARE, budgets=(pool,))))

    assert said.splitlines()[2:] == [
        "BUDGET  OF                LEFT  RESETS IN  SOURCE",
        "pool/p  tokens per day    1/10  42 s       counted 3 s ago",
        "          priority: high  0/7              asked for 12",
        "          all others      1/3",
    ]
