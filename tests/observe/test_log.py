from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.clocks import FakeClock
from tproxy.core.events import Attempt, Event, Notice, Observer, RequestFinished
from tproxy.core.upstream import Usage
from tproxy.observe.log import JsonLog

FINISHED = RequestFinished(
    request_id="req_1",
    client="team-a",
    method="POST",
    route="/v1/chat/completions",
    status=200,
    seconds=1.23456,
)


@attrs.define
class Sink:
    lines: list[str] = attrs.field(factory=list)

    def write(self, line: str) -> None:
        self.lines.append(line)


@attrs.frozen
class Broken:
    error: Exception

    def write(self, line: str) -> None:
        raise self.error


def logged(event: Event) -> dict[str, Any]:
    sink = Sink()
    log: Observer = JsonLog(sink, FakeClock(now=0.0, epoch=1_750_000_000.1234))
    log.emit(event)
    [line] = sink.lines
    assert line.endswith("\n")
    assert line.isascii()
    assert "\n" not in line[:-1]
    said: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return said


def test_a_request_is_one_line() -> None:
    assert logged(FINISHED) == {
        "time": 1_750_000_000.123,
        "level": "info",
        "message": "request",
        "request_id": "req_1",
        "client": "team-a",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "seconds": 1.2346,
    }


def test_what_is_known_of_a_request_is_told() -> None:
    finished = attrs.evolve(
        FINISHED,
        model="groq/llama",
        reason="category SMALL",
        stream=True,
        code="upstream_error",
        left=True,
        asked="SMALL",
        usage=Usage(3, 4),
        attempts=(
            Attempt("a", "p", "rate_limit", 0.5, "429: slow down"),
            Attempt("groq/llama", "groq", "answered", 1.0),
        ),
    )

    said = logged(finished)

    assert (
        said
        | {
            "model": "groq/llama",
            "reason": "category SMALL",
            "stream": True,
            "code": "upstream_error",
            "left": True,
            "asked": "SMALL",
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "attempts": [
                {
                    "model": "a",
                    "provider": "p",
                    "outcome": "rate_limit",
                    "seconds": 0.5,
                    "detail": "429: slow down",
                },
                {
                    "model": "groq/llama",
                    "provider": "groq",
                    "outcome": "answered",
                    "seconds": 1.0,
                },
            ],
        }
        == said
    )


@pytest.mark.parametrize(
    ("status", "code", "level"),
    [
        (200, None, "info"),
        (404, "model_not_found", "info"),
        (429, "quota_exhausted", "info"),
        (500, "internal_error", "warning"),
        (503, "no_candidate", "warning"),
        (200, "upstream_error", "warning"),  # the stream broke off
    ],
)
def test_what_went_wrong_on_our_side_is_a_warning(
    status: int, code: str | None, level: str
) -> None:
    assert logged(attrs.evolve(FINISHED, status=status, code=code))["level"] == level


def test_a_notice_is_one_line_with_its_fields() -> None:
    said = logged(Notice("warning", "reload failed", {"faults": 2, "file": "a.yaml"}))

    assert said == {
        "time": 1_750_000_000.123,
        "level": "warning",
        "message": "reload failed",
        "faults": 2,
        "file": "a.yaml",
    }


def test_fields_do_not_pass_for_what_the_log_says_itself() -> None:
    said = logged(Notice("error", "fault", {"level": "info", "message": "", "time": 0}))

    assert said == {
        "time": 1_750_000_000.123,
        "level": "error",
        "message": "fault",
    }


@given(
    st.text(),
    st.dictionaries(st.text(), st.text() | st.integers() | st.floats(), max_size=5),
)
def test_a_line_is_valid_whatever_is_in_a_notice(
    message: str, fields: dict[str, str | int | float]
) -> None:
    assert logged(Notice("info", message, fields))["message"] == message


@given(st.text(), st.text(), st.text())
def test_a_line_is_valid_whatever_is_in_a_request(
    text: str, route: str, detail: str
) -> None:
    attempt = Attempt(text, text, "server", 0.0, detail)
    finished = attrs.evolve(
        FINISHED,
        request_id=text,
        client=text,
        method=text,
        route=route,
        model=text,
        reason=text,
        attempts=(attempt,),
    )

    assert logged(finished)["route"] == route


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        BrokenPipeError(),
        ValueError("I/O operation on closed file"),
        UnicodeEncodeError("ascii", "é", 0, 1, "x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_sink_that_fails_stops_no_request(error: Exception) -> None:
    sink = Broken(error)
    log = JsonLog(sink, FakeClock())

    log.emit(FINISHED)
    log.emit(Notice("info", "started"))

    with pytest.raises(type(error)):
        sink.write("")


SECRET_WORDS = ("token", "key", "secret", "auth", "header", "body", "prompt", "content")


def test_no_event_has_a_field_for_a_secret_or_for_what_was_said() -> None:
    fields = {
        field.name
        for kind in (RequestFinished, Attempt, Notice)
        for field in attrs.fields(kind)
    }

    assert not [name for name in fields if any(word in name for word in SECRET_WORDS)]
