import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import openai
from tproxy.core.errors import AuthenticationFailed, InvalidRequest
from tproxy.core.failures import RATE_LIMIT


def test_an_error_is_openais_envelope() -> None:
    error = InvalidRequest(message="model must be a string.", param="model")

    assert json.loads(openai.error(error)) == {
        "error": {
            "message": "model must be a string.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "invalid_request",
        }
    }


def test_without_a_param_it_is_null() -> None:
    said = json.loads(openai.error(AuthenticationFailed()))["error"]

    assert said["param"] is None
    assert said["code"] == "invalid_api_key"


@given(st.text(alphabet=st.characters()))
def test_an_error_is_valid_json_on_one_line_whatever_it_says(message: str) -> None:
    error = InvalidRequest(message=message)

    event = openai.error_event(error)

    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    body = event.removeprefix(b"data: ").removesuffix(b"\n\n")
    assert not {b"\n", b"\r"} & {body[at : at + 1] for at in range(len(body))}
    assert body == openai.error(error)
    assert json.loads(body)["error"]["message"] == message


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "0ms"),
        (0.012, "12ms"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (59.0, "59s"),
        (60.0, "1m0s"),
        (360.4, "6m0s"),
        (3599.7, "1h0m0s"),
        (86_400.0, "24h0m0s"),
    ],
)
def test_durations_are_written_as_openai_does(seconds: float, expected: str) -> None:
    assert openai.duration(seconds) == expected


def test_a_list_of_models_is_openais() -> None:
    assert json.loads(openai.models([{"id": "a"}])) == {
        "object": "list",
        "data": [{"id": "a"}],
    }


def test_the_code_for_a_providers_429_is_openais() -> None:
    assert RATE_LIMIT.told.code == "rate_limit_exceeded"
