import pytest

from tproxy.core import errors
from tproxy.core.errors import ConfigError, Fault, ProxyError, UpstreamFailed
from tproxy.core.failures import RATE_LIMIT, SERVER

TABLE: dict[type[ProxyError], tuple[int, str, str]] = {
    errors.InternalError: (500, "server_error", "internal_error"),
    errors.InvalidRequest: (400, "invalid_request_error", "invalid_request"),
    errors.RequestTooLarge: (413, "invalid_request_error", "request_too_large"),
    errors.ContextLengthExceeded: (
        *(400, "invalid_request_error", "context_length_exceeded"),
    ),
    errors.AuthenticationFailed: (401, "invalid_request_error", "invalid_api_key"),
    errors.ModelNotAllowed: (403, "invalid_request_error", "model_not_allowed"),
    errors.NotFound: (404, "invalid_request_error", "not_found"),
    errors.ModelNotFound: (404, "invalid_request_error", "model_not_found"),
    errors.MethodNotAllowed: (405, "invalid_request_error", "method_not_allowed"),
    errors.ClientLeft: (499, "invalid_request_error", "client_left"),
    errors.Draining: (503, "server_error", "draining"),
    errors.Overloaded: (503, "server_error", "overloaded"),
    errors.QuotaExhausted: (429, "rate_limit_error", "quota_exhausted"),
    errors.RateLimited: (429, "rate_limit_error", "rate_limit_exceeded"),
    errors.NoCandidate: (503, "upstream_error", "no_candidate"),
}


def test_each_error_tells_what_the_table_says() -> None:
    told = {kind: kind.TOLD for kind in TABLE}

    assert {k: (t.status, t.type, t.code) for k, t in told.items()} == TABLE


def test_no_error_is_missing_from_the_table() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ProxyError)
    }

    assert kinds - set(TABLE) == {ProxyError, errors.Unavailable, UpstreamFailed}


def test_a_failed_candidate_tells_what_its_failure_says() -> None:
    failed = UpstreamFailed(message="m", failure=SERVER, model="a", detail="secret")

    assert failed.told is SERVER.told
    assert str(failed) == "m"


def test_openais_clients_know_the_words_for_a_wrong_key() -> None:
    error = errors.AuthenticationFailed()

    assert error.message.startswith("Incorrect API key provided")


def test_an_error_can_be_raised_chained_and_noted() -> None:
    cause = ValueError("x")
    error = UpstreamFailed(message="m", failure=RATE_LIMIT, model="a")
    error.add_note("seen")

    with pytest.raises(UpstreamFailed) as caught:
        raise error from cause

    assert caught.value.__cause__ is cause
    assert caught.value.__notes__ == ["seen"]


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault("a.yaml", 3, "wrong", "models[0]"), "a.yaml:3: wrong @ models[0]"),
        (
            Fault("a.yaml", 3, "wrong", "x", "did you mean y?"),
            "a.yaml:3: wrong @ x (did you mean y?)",
        ),
        (Fault("environment", 0, "PORT is wrong", ""), "environment: PORT is wrong"),
    ],
)
def test_a_fault_is_one_line(fault: Fault, line: str) -> None:
    assert str(fault) == line


def test_all_faults_are_told_at_once() -> None:
    first, second = Fault("a", 1, "x", "p"), Fault("a", 2, "y", "q")

    assert str(ConfigError(faults=(first, second))) == "a:1: x @ p\na:2: y @ q"
