"""Requests of a log, decided anew."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import attrs
import pytest

from tests.serving import client, model, settings
from tests.simulation.records import NOON, fates, line, replayed, tried
from tests.values import per
from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.leases import Denial
from tproxy.core.model import Routing
from tproxy.core.windows import DAY, HOUR, MINUTE, Kind, Window
from tproxy.simulation.decision import Fate

TWO = (
    model("p/a", url="http://a.test", limits=(per(MINUTE, 2),)),
    model("p/b", url="http://b.test", limits=(per(MINUTE, 1),), priority=2),
)


def test_exactly_the_limit_is_answered_then_rerouted_then_refused() -> None:
    decisions, replay = replayed([line(at) for at in range(5)], *TWO)

    assert fates(decisions) == ["p/a", "p/a", "p/b", "refused", "refused"]
    assert [d.rerouted for d in decisions] == [False, False, True, False, False]
    denial = decisions[3].denial
    assert denial is not None
    assert (denial.budget, denial.limit) == ("model:p/a", "requests per minute")
    assert denial.wait == pytest.approx(57.5)  # the first was over at 0.5 s
    assert replay.droughts.by_name["model:p/a"].first == NOON + 1
    assert replay.droughts.by_name["model:p/b"].first == NOON + 2


def test_a_rolling_window_gives_back_what_has_left_it() -> None:
    log = [line(at) for at in (0, 10, 60, 61, 70, 71)]

    decisions, replay = replayed(log, TWO[0])

    assert fates(decisions) == ["p/a", "p/a", "refused", "p/a", "refused", "p/a"]
    drought = replay.droughts.by_name["model:p/a"]
    assert drought.times == 3
    # 10 to 60.5, 61 to 70.5, 71 to 121.5
    assert drought.seconds == pytest.approx(50.5 + 9.5 + 50.5)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_a_day_begins_in_its_zone(zone: str) -> None:
    midnight = datetime(2025, 6, 2, tzinfo=ZoneInfo(zone)).timestamp() - NOON
    day = Limit(Unit.REQUESTS, 1, Window(DAY, Kind.CALENDAR, zone))
    log = [line(at) for at in (midnight - HOUR, midnight - 1, midnight + 1)]

    decisions, replay = replayed(log, model("p/a", limits=(day,)))

    assert fates(decisions) == ["p/a", "refused", "p/a"]
    assert decisions[1].denial == Denial("model:p/a", "requests per day", 1.0)
    drought = replay.droughts.by_name["model:p/a"]
    assert drought.times == 2
    assert drought.seconds == pytest.approx(HOUR + DAY - 1)


def test_tokens_are_those_of_the_log() -> None:
    tokens = Limit(Unit.TOKENS, 20, Window(MINUTE))

    decisions, _ = replayed(
        [line(at) for at in range(3)], model("p/a", limits=(tokens,))
    )

    assert fates(decisions) == ["p/a", "p/a", "refused"]


def test_what_nobody_answered_is_as_long_as_usual() -> None:
    tokens = Limit(Unit.TOKENS, 20, Window(MINUTE))
    nobody = {"status": 429, "model": None, "attempts": None}
    spent = {**nobody, "prompt_tokens": None, "completion_tokens": None}
    log = [line(0), line(1, **spent), line(2, **spent)]

    decisions, _ = replayed(log, model("p/a", limits=(tokens,)))

    assert fates(decisions) == ["p/a", "p/a", "refused"]


def test_a_clients_own_limit_refuses_it_alone() -> None:
    budget = Budget("client/tester", (per(MINUTE, 1),))
    narrow = attrs.evolve(client(), budgets=(budget,))
    by = settings(model("p/a"), clients=(narrow, client("other", "another-token")))

    decisions, replay = replayed([line(0), line(1), line(2, client="other")], by=by)

    assert fates(decisions) == ["p/a", "refused", "p/a"]
    denial = decisions[1].denial
    assert denial is not None
    assert denial.budget == "client/tester"
    assert set(replay.droughts.by_name) == {"client/tester"}


def test_a_clients_request_counts_once_however_many_are_asked() -> None:
    narrow = attrs.evolve(
        client(), budgets=(Budget("client/tester", (per(MINUTE, 2),), 1),)
    )
    by = settings(model("p/a"), model("p/b", priority=2), clients=(narrow,))
    over = {"attempts": [tried("p/a", "server"), tried("p/b")], "model": "p/b"}
    nobody = {
        "attempts": [tried("p/a", "server"), tried("p/b", "server")],
        "model": None,
    }

    log = [line(0, **over), line(5, **nobody, status=502), line(10)]
    decisions, _ = replayed(log, by=by)

    assert fates(decisions) == ["p/b", "failed", "refused"]


def test_as_many_are_under_way_as_the_log_says() -> None:
    narrow = attrs.evolve(client(), budgets=(Budget("client/tester", (), 1),))
    by = settings(model("p/a"), clients=(narrow,))

    decisions, replay = replayed([line(0), line(0.4), line(0.6)], by=by)

    assert fates(decisions) == ["p/a", "refused", "p/a"]
    assert replay.droughts.by_name == {}


def test_a_failure_is_replayed_where_the_same_model_is_asked() -> None:
    failing = {"attempts": [tried("p/a", "server"), tried("p/b")], "model": "p/b"}
    log = [line(0, **failing), line(10)]

    decisions, _ = replayed(log, *TWO)
    alone, _ = replayed(log, TWO[1])

    assert fates(decisions) == ["p/b", "p/a"]
    assert decisions[0].moment == NOON + 0.5
    assert fates(alone) == ["p/b", "refused"]


@pytest.mark.parametrize(
    ("attempts", "answering", "came"),
    [
        ([tried("p/a", "server"), tried("p/a")], "p/a", "p/b"),
        ([tried("p/a", "stale"), tried("p/a")], "p/a", "p/a"),
        ([tried("p/a", "left")], None, "p/a"),
        # Nobody is hedged in a replay: it would have answered, later.
        ([tried("p/a", "outrun"), tried("p/b")], "p/b", "p/a"),
        ([tried("p/a", "early_end")], "p/a", "p/a"),
        ([tried("p/a", "rejected")], None, "failed"),
        ([tried("p/a", "server"), tried("p/b", "server")], None, "failed"),
        ([tried("p/a", "klingon"), tried("p/b", "server")], None, "failed"),
    ],
)
def test_attempts_are_replayed_as_the_relay_makes_them(
    attempts: list[object], answering: str | None, came: str
) -> None:
    decisions, _ = replayed([line(0, attempts=attempts, model=answering)], *TWO)

    assert fates(decisions) == [came]


def test_failures_in_a_row_make_a_model_rest() -> None:
    failing = {"attempts": [tried("p/a", "server")], "model": None, "status": 502}
    log = [*(line(at, **failing) for at in range(5)), line(6)]

    decisions, _ = replayed(log, model("p/a"), model("p/b", priority=2))

    assert fates(decisions)[-1] == "p/b"


def test_a_name_leads_to_one_model_only() -> None:
    decisions, _ = replayed([line(at, asked="p/a") for at in range(3)], *TWO)

    assert fates(decisions) == ["p/a", "p/a", "refused"]


def test_fallbacks_come_after_the_model_that_was_named() -> None:
    routing = Routing(fallbacks={"p/a": ("p/b",)})
    by = settings(*TWO, clients=(client(),), routing=routing)

    decisions, _ = replayed([line(at, asked="p/a") for at in range(4)], by=by)

    assert fates(decisions) == ["p/a", "p/a", "p/b", "refused"]


def test_who_holds_too_little_is_passed_over() -> None:
    small = attrs.evolve(model("p/small"), context_tokens=5)

    decisions, _ = replayed([line()], small, model("p/large", priority=2))
    alone, _ = replayed([line()], small)

    assert fates(decisions) == ["p/large"]
    assert fates(alone) == ["unfit"]


def test_names_that_nobody_knows_are_told() -> None:
    log = [line(0, asked="gone"), line(1, client="stranger")]

    decisions, _ = replayed(log, model("p/a"))

    assert [d.fate for d in decisions] == [Fate.UNKNOWN, Fate.ANSWERED]
    assert [d.stranger for d in decisions] == [False, True]


def test_who_may_not_call_a_model_does_not() -> None:
    by = settings(model("p/a"), clients=(client(models=("p/b",)),))

    decisions, _ = replayed([line()], by=by)

    assert fates(decisions) == ["unfit"]


def test_noon_is_noon() -> None:
    assert datetime.fromtimestamp(NOON, UTC) == datetime(2025, 6, 1, 12, tzinfo=UTC)
