"""The bench of accounts in small: it runs, and would find one request too many."""

from __future__ import annotations

import random

import attrs
import pytest

from bench import accounts, wire
from bench.accounts import SCENES, Asked, overtaken
from bench.metered import (
    LIMIT,
    SECONDS,
    Account,
    BucketAccount,
    FixedAccount,
    most_in_any_span,
)


def test_an_account_never_refuses_what_the_daemon_sends() -> None:
    exact, used = wire.run(accounts.played(SCENES[0], 1.0))

    assert exact.good, exact.line()
    assert used.good, used.line()


@pytest.mark.parametrize("kind", [Account, FixedAccount, BucketAccount])
def test_an_account_takes_its_limit_at_once_and_no_more(kind: type[Account]) -> None:
    account = kind()

    taken = [account.arrives(1_001 + n / 1_000) for n in range(2 * LIMIT)]

    assert taken == [True] * LIMIT + [False] * LIMIT
    assert account.refused == LIMIT
    assert account.arrives(1_001.01 + SECONDS)


def test_a_rolling_account_holds_its_limit_in_every_span() -> None:
    account, chance = Account(), random.Random(1)
    now = 0.0
    for _ in range(2_000):
        now += chance.uniform(0, 0.1)
        account.arrives(now)

    assert most_in_any_span(account.taken) == LIMIT
    assert most_in_any_span([0.0, 1.0, 1.9, 2.0]) == 3


def test_who_gives_up_behind_a_later_one_was_overtaken() -> None:
    early, late = Asked(0.0, 3.0, "status 429", 0.1), Asked(1.0, 2.0, "answered", None)

    assert overtaken([early, late]) == 1
    assert overtaken([attrs.evolve(early, ended=1.5), late]) == 0
