import pytest

from tproxy.core import failures
from tproxy.core.failures import Failure, Rest

ROWS = [row for row in vars(failures).values() if isinstance(row, Failure)]


def named(*names: str) -> list[Failure]:
    return [getattr(failures, name) for name in names]


def test_each_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_only_what_others_would_refuse_as_well_ends_the_search() -> None:
    assert [row for row in ROWS if not row.onward] == named("REJECTED", "FILTERED")


def test_a_refusal_costs_no_quota_and_an_answer_does() -> None:
    free = {row.name for row in ROWS if not row.counts}

    assert free == {
        *("unresolved", "unreachable", "no_connect", "tls", "crowded"),
        *("auth", "forbidden", "billing", "missing", "too_long", "rate_limit"),
        *("unsupported", "expired", "untaken"),
    }


def test_a_429_never_opens_the_breaker() -> None:
    assert failures.RATE_LIMIT.rest is Rest.NONE
    assert failures.RATE_LIMIT.again


def test_what_waiting_does_not_cure_rests_at_once() -> None:
    assert [r.name for r in ROWS if r.rest is Rest.AT_ONCE] == [
        "auth",
        "billing",
        "missing",
    ]


def test_the_caller_is_not_blamed_for_our_key_nor_the_candidate_for_the_caller() -> (
    None
):
    for row in ROWS:
        assert row.told.status != 401
        if row.told.status == 400:
            assert row.rest is Rest.NONE


@pytest.mark.parametrize(
    ("status", "type_", "code", "names"),
    [
        (400, "upstream_error", "upstream_rejected", {"rejected", "filtered"}),
        (
            502,
            "upstream_error",
            "upstream_auth_failed",
            {"auth", "forbidden", "expired"},
        ),
        (502, "upstream_error", "upstream_billing", {"billing"}),
        (502, "upstream_error", "upstream_model_missing", {"missing"}),
        (429, "rate_limit_error", "rate_limit_exceeded", {"rate_limit"}),
        (400, "invalid_request_error", "context_length_exceeded", {"too_long"}),
        (400, "invalid_request_error", "invalid_request", {"unsupported"}),
        (
            504,
            "upstream_error",
            "upstream_timeout",
            {"no_connect", "first_byte", "silence", "timed_out"},
        ),
    ],
)
def test_what_is_told_is_what_the_interface_promises(
    status: int, type_: str, code: str, names: set[str]
) -> None:
    told = failures.Told(status, type_, code)

    assert {row.name for row in ROWS if row.told == told} == names


def test_all_else_is_a_bad_gateway() -> None:
    told = failures.Told(502, "upstream_error", "upstream_error")

    assert {row.name for row in ROWS if row.told == told} == {
        *("unresolved", "unreachable", "tls", "lost", "server", "overloaded"),
        *("model_fault", "empty", "malformed", "early_end", "unexpected", "stale"),
        *("unjoined", "untaken"),
    }
