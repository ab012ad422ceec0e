"""What becomes of events in numbers."""

from __future__ import annotations

from collections import deque

import attrs
import pytest

from tproxy.core.events import Attempt, Notice, RequestFinished
from tproxy.core.upstream import Usage
from tproxy.observe.counting import Both, Counting
from tproxy.observe.families import SECONDS
from tproxy.observe.tallies import Key, Tallies
from tproxy.web.routes import ROUTES, route_of

ANSWERED = RequestFinished(
    request_id="req_1",
    client="team",
    method="POST",
    route="/v1/chat/completions",
    status=200,
    seconds=1.5,
    model="groq/a",
    reason="category",
    stream=True,
    attempts=(
        Attempt("gemini/b", "gemini", "server", 0.25, detail="sk-secret"),
        Attempt("groq/a", "groq", "answered", 1.25),
    ),
    usage=Usage(1_000, 500),
    asked="BIG",
)


def counting() -> tuple[Counting, Tallies]:
    tallies = Tallies()
    return Counting(tallies.own(1), route_of), tallies


def counts(tallies: Tallies) -> dict[Key, float]:
    """Those of a histogram by the bounds of the buckets that hold any."""
    found: dict[Key, list[float]] = {}
    [tally] = tallies.all
    tally.look()
    for name in tally.names:
        deque(tally.add_to(found, name, 0.0))
    told: dict[Key, float] = {}
    for key, numbers in found.items():
        if len(numbers) == 1:
            [told[key]] = numbers
            continue
        for bound, number in zip((*SECONDS, "+Inf", "sum"), numbers, strict=True):
            if number:
                told[*key, str(bound)] = number
    return told


def test_an_answer_counts_for_all_that_had_a_part_in_it() -> None:
    observer, tallies = counting()

    observer.emit(ANSWERED)

    once = {
        ("tproxy_requests_total", "/chat/completions", "team", "200", ""): 1,
        ("tproxy_request_duration_seconds", "/chat/completions", "true", "2.56"): 1,
        ("tproxy_request_duration_seconds", "/chat/completions", "true", "sum"): 1.5,
        ("tproxy_attempts_total", "gemini/b", "gemini", "server"): 1,
        ("tproxy_attempts_total", "groq/a", "groq", "answered"): 1,
        ("tproxy_attempt_duration_seconds", "groq/a", "groq", "1.28"): 1,
        ("tproxy_attempt_duration_seconds", "groq/a", "groq", "sum"): 1.25,
        ("tproxy_tokens_total", "groq/a", "team", "input"): 1_000,
        ("tproxy_tokens_total", "groq/a", "team", "output"): 500,
    }
    assert counts(tallies) == once
    observer.emit(ANSWERED)
    assert counts(tallies) == {key: 2 * number for key, number in once.items()}


def test_what_answers_cost_is_by_the_prices_in_force() -> None:
    observer, tallies = counting()
    spent = ("tproxy_cost_usd_total", "groq/a", "team")

    observer.emit(ANSWERED)
    assert spent not in counts(tallies)

    observer.charge(
        {
            "groq/a": lambda prompt, completion: (
                2_000 * (prompt + completion + completion)
            )
        }
    )
    observer.emit(ANSWERED)
    assert counts(tallies)[spent] == 0.004

    observer.charge({"groq/a": lambda prompt, _: 1_000 * prompt})
    observer.emit(ANSWERED)
    assert counts(tallies)[spent] == 0.005

    observer.charge({})
    observer.emit(ANSWERED)
    assert counts(tallies)[spent] == 0.005


@pytest.mark.parametrize("usage", [Usage(-1, 5), Usage(5, -1), Usage(10**400, 1)])
def test_a_provider_that_lies_of_tokens_takes_none_away(usage: Usage) -> None:
    observer, tallies = counting()
    observer.charge(
        {"groq/a": lambda prompt, completion: 1_000 * (prompt + completion)}
    )

    observer.emit(ANSWERED)
    observer.emit(attrs.evolve(ANSWERED, usage=usage))

    assert counts(tallies)["tproxy_tokens_total", "groq/a", "team", "output"] == 500
    assert counts(tallies)["tproxy_cost_usd_total", "groq/a", "team"] == 0.0015


def test_what_a_client_sends_is_in_no_key() -> None:
    observer, tallies = counting()
    canary = "sk-canary"
    for path in (f"/{canary}", f"/v1/models/{canary}", f"/models/{canary}/x", ""):
        refused = RequestFinished(canary, None, canary, path, 404, 0.1, code="e")
        observer.emit(refused)
        observer.emit(attrs.evolve(refused, left=True))
    observer.emit(ANSWERED)
    observer.emit(Notice("error", canary, {"a": canary}))

    told = counts(tallies)
    assert "canary" not in repr(told)
    assert "secret" not in repr(told)
    assert told["tproxy_requests_total", "other", "", "404", "e"] == 4
    assert told["tproxy_requests_total", "/models/{id}", "", "404", "e"] == 4
    assert told["tproxy_requests_left_total", "other"] == 2
    assert told["tproxy_notices_total", "error"] == 1


def test_every_route_has_the_name_it_has_in_the_table() -> None:
    for route in ROUTES:
        for path in (route, f"{route}/", f"/v1{route}", f"/v1{route}/"):
            assert route_of(path) == route
    for path in ("/", "/v1", "/v2/ping", "/ping/x", "ping", "/v1/v1/ping", "/models//"):
        assert route_of(path) in ("other", "/models/{id}")


def test_a_text_that_others_went_on_with_counts_for_the_first() -> None:
    observer, tallies = counting()

    observer.emit(attrs.evolve(ANSWERED, resumed=2))

    assert counts(tallies)["tproxy_resumes_total", "groq/a"] == 2


def test_both_are_told() -> None:
    one, other = counting(), counting()

    Both(one[0], other[0]).emit(ANSWERED)

    assert counts(one[1]) == counts(other[1]) != {}
