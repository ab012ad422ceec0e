"""What providers of OpenAI's dialect do each in their own way, as it was recorded.

That their bytes go through as they are is tested in `test_recordings.py`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.values import KEY, chat, model
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.openai import DIALECT

HOME = Path(__file__).parents[1] / "recordings" / "openai"
MODEL = model("a")
SSE = {"content-type": "text/event-stream", "date": "Tue, 03 Nov 2026 10:00:00 GMT"}
JSON = {"content-type": "application/json"}
DATA = re.compile(rb"^data: (\{.*\})\r?$", re.MULTILINE)
DONE = b"data: [DONE]\n\n"


@attrs.frozen
class Recorded:
    """An exchange; `features` says what is in it."""

    provider: str
    features: frozenset[str]
    head: UpstreamHead
    body: bytes

    @property
    def chunks(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in DATA.findall(self.body)]


@attrs.define
class Heard:
    handed_on: bytes
    begun_after: int | None  # events
    failure: UpstreamFailed | None
    usage: Usage | None


def recorded(feature: str, *providers: str) -> list[Any]:
    listed = []
    for path in sorted(HOME.glob("*/*.json")):
        said = json.loads(path.read_text("utf-8"))
        if feature in said["features"] and said["provider"] in (
            providers or (said["provider"],)
        ):
            head = UpstreamHead(said["response"]["status"], said["response"]["headers"])
            body = said["response"]["body"].encode()
            features = frozenset(said["features"])
            found = Recorded(said["provider"], features, head, body)
            listed.append(pytest.param(found, id=path.stem))
    return listed


def heard(body: bytes, headers: dict[str, str] | None = None) -> Heard:
    """Feed a stream event by event."""
    head = UpstreamHead(200, headers or SSE)
    reader = DIALECT.chat.stream_reader(head, chat(stream=True), MODEL)
    handed_on, begun_after = b"", None
    for number, event in enumerate(re.split(rb"(?<=\n\n)|(?<=\r\n\r\n)", body)):
        handed_on += reader.feed(event)
        if reader.begun and begun_after is None:
            begun_after = number
    handed_on += reader.close()
    return Heard(handed_on, begun_after, reader.failure, reader.usage)


def event(**said: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(said).encode()


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def test_there_are_recordings() -> None:
    assert len(recorded("sse-comments")) > 10
    assert len(recorded("whitespace-before-json")) > 10
    assert len(recorded("mid-stream-error")) == 2
    assert len(recorded("stream-usage")) > 30


# OpenRouter


@pytest.mark.parametrize("stream", recorded("sse-comments", "openrouter"))
def test_comments_are_handed_on_and_begin_nothing(stream: Recorded) -> None:
    events = stream.body.split(b"\n\n")
    comments = [n for n, event in enumerate(events) if event.startswith(b":")]

    said = heard(stream.body)

    assert comments
    assert said.begun_after not in (None, *comments)
    assert stream.body.startswith(said.handed_on)


@pytest.mark.parametrize("answer", recorded("whitespace-before-json", "openrouter"))
def test_blank_lines_before_an_answer_stay(answer: Recorded) -> None:
    reply = DIALECT.chat.parse_response(answer.head, answer.body, chat(), MODEL)

    assert reply.body == answer.body
    assert answer.body[:1].isspace()
    usage = json.loads(answer.body)["usage"]
    assert reply.usage == Usage(usage["prompt_tokens"], usage["completion_tokens"])


@pytest.mark.parametrize("stream", recorded("mid-stream-error", "openrouter"))
def test_an_error_beside_choices_ends_a_stream(stream: Recorded) -> None:
    said = heard(stream.body)

    assert said.failure is not None
    assert said.failure.failure is failures.TOO_LONG
    assert said.failure.detail == "400"
    assert b'"error"' not in said.handed_on
    assert DONE not in said.handed_on
    told = stream.chunks[-1]["usage"]
    assert said.usage == Usage(told["prompt_tokens"], told["completion_tokens"])


RATE_LIMITED = {
    "message": "Provider returned error",
    "code": 429,
    "metadata": {
        "raw": '{"error":{"message":"Slow down. Please try again in 7.5s."}}',
        "provider_name": "Groq",
    },
}
DAY = {
    "message": "Rate limit exceeded: free-models-per-day",
    "code": 429,
    "metadata": {"headers": {"X-RateLimit-Reset": "1793750400000"}},
}


@pytest.mark.parametrize(
    ("error", "failure", "wait"),
    [
        (RATE_LIMITED, failures.RATE_LIMIT, 7.5),
        (DAY, failures.RATE_LIMIT, 50_400.0),
        ({"message": "Insufficient credits", "code": 402}, failures.BILLING, None),
        ({"message": "Provider returned error", "code": 502}, failures.SERVER, None),
        ({"message": "m", "code": "server_error"}, failures.SERVER, None),
        (
            {"message": "No endpoints found that support tool use", "code": 404},
            failures.UNSUPPORTED,
            None,
        ),
    ],
)
def test_an_error_in_a_200_is_the_same_wherever_it_stands(
    error: dict[str, Any], failure: Failure, wait: float | None
) -> None:
    in_choice: dict[str, Any] = {"choices": [{"error": error}]}
    whole = [{"error": error, "user_id": "user_1"}, in_choice]
    dated = {**JSON, "date": SSE["date"], "retry-after": "1"}
    told = []
    for said in whole:
        body = b"\n    \n" + json.dumps(said).encode()
        with pytest.raises(UpstreamFailed) as caught:
            DIALECT.chat.parse_response(UpstreamHead(200, dated), body, chat(), MODEL)
        told += [caught.value, heard(body, dated).failure]
    for said in (*whole, {"error": error, "choices": []}):
        for before in (b": OPENROUTER PROCESSING\n\n", chunk(content="Hi")):
            told.append(heard(before + event(**said) + DONE).failure)

    assert len(told) == 10
    for one in told:
        assert one is not None
        assert (one.failure, one.retry_after) == (failure, wait)


def test_a_finish_reason_may_come_twice() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 1, "cost": 0.0007}
    last = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}
    stream = chunk(content="Hi") + chunk("stop") + event(choices=[last], usage=usage)

    said = heard(stream + DONE)

    assert (said.handed_on, said.failure) == (stream + DONE, None)
    assert said.usage == Usage(5, 1)


def test_the_operators_app_headers_go_along() -> None:
    headers = (("HTTP-Referer", "https://app.test"), ("X-Title", "App"))
    upstream = Upstream(
        "https://u.test/chat/completions", "openai", Secret(KEY), headers
    )

    request = DIALECT.chat.build_request(chat(), model(upstream=upstream))

    assert request.headers[-2:] == headers


REASONING = [
    {"type": "reasoning.text", "text": "Hm", "signature": "EpYD", "index": 0},
    {"type": "reasoning.encrypted", "data": "gAAA", "id": "rs_1"},
]


def test_reasoning_details_go_back_unchanged_and_in_order() -> None:
    answer = {"role": "assistant", "content": "", "reasoning_details": REASONING}
    said = chat(messages=[answer, {"role": "user", "content": "Go on"}], model="m")

    body = DIALECT.chat.build_request(said, model(upstream_name="m")).body

    assert json.loads(body)["messages"][0]["reasoning_details"] == REASONING


# All


@pytest.mark.parametrize("stream", recorded("stream-usage"))
def test_usage_is_found_in_whichever_chunk_it_comes(stream: Recorded) -> None:
    said = heard(stream.body)

    told = [
        usage
        for one in stream.chunks
        if (usage := one.get("usage") or one.get("x_groq", {}).get("usage"))
    ]
    counts = told[-1]["prompt_tokens"], told[-1].get("completion_tokens", 0)
    assert said.usage == Usage(*counts)


@pytest.mark.parametrize(
    "stream",
    [
        found
        for found in recorded("reasoning")
        if b"data:" in found.values[0].body
        and "mid-stream-error" not in found.values[0].features
    ],
)
def test_a_thought_begins_an_answer(stream: Recorded) -> None:
    first = next(
        number
        for number, one in enumerate(stream.chunks)
        for choice in one["choices"]
        if any(v for n, v in choice["delta"].items() if n != "role")
    )

    said = heard(re.sub(rb"^:.*\n\n", b"", stream.body, flags=re.MULTILINE))

    assert said.begun_after == first
    assert said.failure is None


@pytest.mark.parametrize("stream", recorded("empty-choices-chunk", "azure"))
def test_a_chunk_about_the_prompt_begins_nothing(stream: Recorded) -> None:
    empty = [n for n, said in enumerate(stream.chunks) if not said["choices"]]

    said = heard(stream.body)

    assert empty
    assert said.begun_after not in (None, *empty)
    assert said.failure is None


# Groq


@pytest.mark.parametrize("stream", recorded("mid-stream-error", "groq"))
def test_a_named_error_event_ends_a_stream(stream: Recorded) -> None:
    said = heard(stream.body)

    assert said.failure is not None
    assert said.failure.failure is failures.MODEL_FAULT
    assert said.failure.failure.again
    assert b"event: error" not in said.handed_on


@pytest.mark.parametrize(
    ("remaining", "wait"),
    [
        ({"requests": "0", "tokens": "5990"}, 86.4),  # of a day
        ({"requests": "900", "tokens": "0"}, 7.66),  # of a minute
        ({"requests": "0", "tokens": "0"}, 86.4),
        ({"requests": "900", "tokens": "5990"}, None),
    ],
)
def test_each_of_groqs_limits_has_a_reset_of_its_own(
    remaining: dict[str, str], wait: float | None
) -> None:
    headers = {f"x-ratelimit-remaining-{name}": n for name, n in remaining.items()}
    headers |= {
        "x-ratelimit-reset-requests": "1m26.4s",
        "x-ratelimit-reset-tokens": "7.66s",
    }

    failed = DIALECT.chat.parse_error(UpstreamHead(429, headers), b"", MODEL)

    assert failed.failure is failures.RATE_LIMIT
    assert failed.retry_after == wait


# Others


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        (b": keep-alive\n\n" * 3 + chunk(content="Hi") + chunk("stop") + DONE, None),
        (
            chunk(content="Hi") + chunk("insufficient_system_resource") + DONE,
            failures.OVERLOADED,
        ),
        (chunk("insufficient_system_resource") + DONE, failures.OVERLOADED),
        (chunk("content_filter") + DONE, None),
    ],
)
def test_deepseek_keeps_alive_and_runs_out(
    stream: bytes, failure: Failure | None
) -> None:
    said = heard(stream)

    assert (said.failure and said.failure.failure) is failure


def test_azures_filter_leaves_no_message() -> None:
    choice = {
        "index": 0,
        "finish_reason": "content_filter",
        "content_filter_results": {"hate": {"filtered": True, "severity": "high"}},
    }
    body = json.dumps({"choices": [choice]}).encode()

    reply = DIALECT.chat.parse_response(UpstreamHead(200, JSON), body, chat(), MODEL)

    assert reply.body == body
