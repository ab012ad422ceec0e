from __future__ import annotations

import pytest

from tests.relay.rig import model
from tproxy.core import failures
from tproxy.core.errors import ProxyError, Unavailable, UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.selection import Exclusion, Why
from tproxy.relay.verdict import verdict

Told = tuple[int, str, str]

LIMITED = (429, "rate_limit_error", "rate_limit_exceeded")
SPENT = (429, "rate_limit_error", "quota_exhausted")
NOBODY = (503, "upstream_error", "no_candidate")
FAILED = (502, "upstream_error", "upstream_error")
SILENT = (504, "upstream_error", "upstream_timeout")
AUTH = (502, "upstream_error", "upstream_auth_failed")
BILLING = (502, "upstream_error", "upstream_billing")
MISSING = (502, "upstream_error", "upstream_model_missing")
TOO_LONG = (400, "invalid_request_error", "context_length_exceeded")
CALLER = (400, "invalid_request_error", "invalid_request")
FORBIDDEN = (403, "invalid_request_error", "model_not_allowed")


def failed(row: Failure, retry_after: float | None = None) -> UpstreamFailed:
    return UpstreamFailed(
        message=f"m: {row.said}.", failure=row, model="m", retry_after=retry_after
    )


def excluded(why: Why, wait: float | None = None, name: str = "x") -> Exclusion:
    return Exclusion(model(name), why, "", wait)


def told(error: ProxyError) -> Told:
    return error.told.status, error.told.type, error.told.code


def spent(wait: float) -> Exclusion:
    return excluded(Why.QUOTA, wait)


def own_limit(wait: float) -> Exclusion:
    return excluded(Why.OWN_LIMIT, wait)


def resting(wait: float) -> Exclusion:
    return excluded(Why.RESTING, wait)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (failures.UNRESOLVED, FAILED),
        (failures.UNREACHABLE, FAILED),
        (failures.NO_CONNECT, SILENT),
        (failures.TLS, FAILED),
        (failures.LOST, FAILED),
        (failures.FIRST_BYTE, SILENT),
        (failures.SILENCE, SILENT),
        (failures.TIMED_OUT, SILENT),
        (failures.AUTH, AUTH),
        (failures.FORBIDDEN, AUTH),
        (failures.BILLING, BILLING),
        (failures.MISSING, MISSING),
        (failures.TOO_LONG, TOO_LONG),
        (failures.RATE_LIMIT, LIMITED),
        (failures.SERVER, FAILED),
        (failures.OVERLOADED, FAILED),
        (failures.MODEL_FAULT, FAILED),
        (failures.EMPTY, FAILED),
        (failures.MALFORMED, FAILED),
        (failures.EARLY_END, FAILED),
        (failures.UNEXPECTED, FAILED),
    ],
    ids=lambda value: value.name if isinstance(value, Failure) else "",
)
def test_one_failure_is_told_as_it_is(row: Failure, expected: Told) -> None:
    error = failed(row)

    assert verdict("m", [], [error]) is error
    assert told(error) == expected


S, T = failures.SERVER, failures.FIRST_BYTE


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([S, S], FAILED),
        ([S, failures.UNREACHABLE, S], FAILED),
        ([T, failures.SILENCE, failures.TIMED_OUT], SILENT),
        ([T, S], FAILED),
        ([failures.AUTH, failures.FORBIDDEN], AUTH),
        ([failures.AUTH, failures.BILLING], FAILED),
        ([failures.BILLING, failures.BILLING], BILLING),
        ([failures.MISSING, failures.MISSING], MISSING),
        ([failures.MISSING, T], FAILED),
        ([failures.TOO_LONG, failures.TOO_LONG], TOO_LONG),
        ([failures.TOO_LONG, T], SILENT),
        ([S, failures.TOO_LONG], FAILED),
        ([failures.TOO_LONG, failures.AUTH, failures.AUTH], AUTH),
    ],
)
def test_of_several_failures_what_they_share_is_told(
    rows: list[Failure], expected: Told
) -> None:
    error = verdict("SMALL", [], [failed(row) for row in rows])

    assert told(error) == expected
    assert all(row.said in str(error) for row in rows)


@pytest.mark.parametrize(
    ("exclusions", "errors", "expected", "retry_after"),
    [
        ([spent(17.5)], [], SPENT, 17.5),
        ([spent(40), spent(3), spent(60)], [], SPENT, 3),
        ([resting(40), resting(3)], [], NOBODY, 3),
        ([resting(3), spent(40)], [], NOBODY, 3),
        ([resting(40), spent(3)], [], SPENT, 3),
        ([spent(3)], [failed(S)], SPENT, 3),
        ([resting(3)], [failed(S)], NOBODY, 3),
        ([spent(3)], [failed(failures.RATE_LIMIT, 2.0)], SPENT, 2.0),
        ([resting(3)], [failed(failures.RATE_LIMIT, 20.0)], NOBODY, 3),
        ([], [failed(S), failed(failures.RATE_LIMIT, 20.0)], SPENT, 20.0),
        (
            [],
            [failed(failures.RATE_LIMIT, 9), failed(failures.RATE_LIMIT, 8)],
            SPENT,
            8,
        ),
        ([], [failed(failures.RATE_LIMIT, 20.0)], LIMITED, 20.0),
        ([], [failed(S), failed(failures.RATE_LIMIT)], SPENT, 1.0),
        ([excluded(Why.NOT_ALLOWED)], [failed(S)], FAILED, None),
        ([excluded(Why.TOO_LONG)], [failed(T)], SILENT, None),
        ([excluded(Why.TOO_LONG), spent(5)], [], SPENT, 5),
    ],
)
def test_the_soonest_moment_is_told(
    exclusions: list[Exclusion],
    errors: list[UpstreamFailed],
    expected: Told,
    retry_after: float | None,
) -> None:
    error = verdict("SMALL", exclusions, errors)

    assert told(error) == expected
    assert isinstance(error, Unavailable)
    assert error.retry_after == retry_after


@pytest.mark.parametrize(
    ("whys", "expected", "param"),
    [
        ([Why.TOO_LONG], TOO_LONG, "messages"),
        ([Why.INCAPABLE], CALLER, None),
        ([Why.NOT_ALLOWED], FORBIDDEN, "model"),
        ([Why.UNSUPPORTED], NOBODY, None),
        ([Why.NOT_ALLOWED, Why.TOO_LONG], TOO_LONG, "messages"),
        ([Why.NOT_ALLOWED, Why.INCAPABLE], CALLER, None),
        ([Why.INCAPABLE, Why.TOO_LONG], TOO_LONG, "messages"),
        ([Why.UNSUPPORTED, Why.INCAPABLE], CALLER, None),
        ([Why.NOT_ALLOWED, Why.UNSUPPORTED], NOBODY, None),
        ([Why.OTHER_KIND, Why.NOT_ALLOWED], CALLER, "model"),
        ([Why.OTHER_KIND, Why.INCAPABLE], CALLER, None),
        ([], NOBODY, None),
    ],
)
def test_what_the_client_can_mend_is_told_where_nobody_fits(
    whys: list[Why], expected: Told, param: str | None
) -> None:
    error = verdict("SMALL", [excluded(why) for why in whys], [])

    assert told(error) == expected
    assert error.param == param


@pytest.mark.parametrize(
    ("called", "opening"),
    [("SMALL", "SMALL cannot"), (None, "a request without a model cannot")],
)
def test_it_says_who_misses_what(called: str | None, opening: str) -> None:
    long = Exclusion(model("long"), Why.TOO_LONG, "9 bytes of text, at most 8")
    longer = Exclusion(model("longer"), Why.TOO_LONG, "9 bytes of text, at most 7")
    other = excluded(Why.INCAPABLE, name="other")

    message = str(verdict(called, [other, long, longer], []))

    assert message == (
        f"{opening} take this request: "
        "long: request too long (9 bytes of text, at most 8); "
        "longer: request too long (9 bytes of text, at most 7)."
    )


@pytest.mark.parametrize(
    ("called", "message"),
    [
        ("groq/x", "groq/x is not an image model."),
        (None, "SMALL is not an image model."),
    ],
)
def test_a_model_of_another_kind_is_called_that(
    called: str | None, message: str
) -> None:
    other = Exclusion(model("x"), Why.OTHER_KIND, "not an image model")

    assert str(verdict(called, [other], [])) == message


def test_a_message_has_an_end() -> None:
    many = [excluded(Why.QUOTA, 5, f"x{number}") for number in range(100)]

    message = str(verdict("SMALL", many, []))

    assert message.count("quota spent") == 8
    assert message.endswith("; and 92 more.")


def test_models_for_others_are_named_only_where_that_is_the_answer() -> None:
    theirs = excluded(Why.NOT_ALLOWED, name="theirs")

    assert "theirs" not in str(verdict("SMALL", [theirs, spent(5)], []))
    assert "theirs" not in str(verdict("SMALL", [theirs], [failed(S), failed(T)]))
    assert "theirs" in str(verdict("theirs", [theirs], []))


@pytest.mark.parametrize(("wait", "said"), [(0.0, 1), (0.2, 1), (1.2, 2), (60.0, 60)])
def test_the_message_counts_whole_seconds(wait: float, said: int) -> None:
    assert f"within {said} s:" in str(verdict("SMALL", [spent(wait)], []))


@pytest.mark.parametrize(
    ("excluded", "own", "expected", "wait"),
    [
        ([own_limit(59.0)], 0.0, LIMITED, 59.0),
        ([own_limit(59.0), resting(8.0)], 0.0, LIMITED, 59.0),
        ([own_limit(5.0), spent(60.0)], 0.0, LIMITED, 5.0),
        ([own_limit(59.0), own_limit(40.0), spent(2.0)], 0.0, LIMITED, 40.0),
        ([resting(8.0)], 59.0, LIMITED, 59.0),
        ([spent(60.0)], 5.0, SPENT, 60.0),
        ([resting(8.0)], 0.0, NOBODY, 8.0),
    ],
)
def test_nobody_can_before_the_clients_own_limits_have_room(
    excluded: list[Exclusion], own: float, expected: Told, wait: float
) -> None:
    error = verdict("m", excluded, [failed(failures.SERVER)], own)

    assert told(error) == expected
    assert isinstance(error, Unavailable)
    assert error.retry_after == wait


def test_a_clients_own_limit_is_not_what_made_everybody_fail() -> None:
    error = verdict("m", [], [failed(failures.SERVER), failed(failures.LOST)], 59.0)

    assert told(error) == FAILED
