# ruff: noqa: E501 - words of providers are long
"""What Cohere answers, well and badly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.cohere.models import model
from tests.values import chat
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.cohere import DIALECT

MODEL = model()
JSON = UpstreamHead(200, {"content-type": "application/json"})
EVENTS = UpstreamHead(200, {"content-type": "text/event-stream"})
TOKENS: dict[str, Any] = {
    "tokens": {"input_tokens": 50, "output_tokens": 7},
    "cached_tokens": 40,
}
BILLED = {"billed_units": {"input_tokens": 5, "output_tokens": 6}}
START = {"type": "message-start", "id": "m"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}


def said(kind: str, **message: Any) -> Any:
    return {"type": kind, "index": 0, "delta": {"message": message}}


def text(words: str) -> Any:
    return said("content-delta", content={"text": words})


def more(arguments: str, index: int = 0) -> Any:
    call = {"function": {"arguments": arguments}}
    return {**said("tool-call-delta", tool_calls=call), "index": index}


def called(arguments: str, id: str = "c1") -> Any:
    return {**CALL, "id": id, "function": {"name": "f", "arguments": arguments}}


def end(reason: Any = "COMPLETE", **delta: Any) -> Any:
    usage = {**BILLED, **TOKENS}
    delta = {"finish_reason": reason, "usage": usage, **delta}
    return {"type": "message-end", "delta": delta}


def fed(*events: Any, done: bool = True) -> Outcome:
    raw = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    raw += b"data: [DONE]\n\n" if done else b""
    return outcome.fed(DIALECT, EVENTS, [raw], MODEL)


def answered(message: Any, reason: Any = "COMPLETE", **fields: Any) -> Outcome:
    body = {"id": "m", "message": message, "finish_reason": reason, **fields}
    return outcome.answered(DIALECT, JSON, json.dumps(body).encode(), MODEL)


# What ends well


@pytest.mark.parametrize("done", [True, False])
def test_plans_thoughts_text_and_calls_are_told_as_they_come(done: bool) -> None:
    read = fed(
        START,
        said("tool-plan-delta", tool_plan="I will"),
        said("content-start", content={"type": "thinking", "thinking": " see"}),
        said("content-delta", content={"thinking": "."}),
        {"type": "content-end", "index": 0},
        said("content-start", content={"type": "text", "text": ""}),
        text("Hi"),
        said("tool-call-start", tool_calls=CALL),
        more('{"a":'),
        more("1}"),
        {"type": "tool-call-end", "index": 0},
        {**said("tool-call-start", tool_calls={**CALL, "id": "c2"}), "index": 1},
        {"type": "tool-call-end", "index": 1},
        {"type": "debug"},
        end("TOOL_CALL"),
        done=done,
    )

    stream = openai.check_stream(read.output, usage=True)
    [spoken] = stream.choices
    assert (spoken.text, spoken.reasoning) == ("Hi", "I will see.")
    assert [(c.id, c.arguments) for c in spoken.calls] == [
        ("c1", '{"a":1}'),
        ("c2", "{}"),
    ]
    assert spoken.finish == "tool_calls"
    assert read.usage == Usage(50, 7)
    assert stream.usage is not None
    assert stream.usage["prompt_tokens_details"] == {"cached_tokens": 40}


def test_citations_are_kept_and_numbered() -> None:
    citations: list[Any] = [{"start": 0, "end": 2, "text": "Hi"}, {"start": 1}]
    cites = [said("citation-start", citations=one) for one in citations]

    read = fed(START, text("Hi"), *cites, {"type": "citation-end"}, end())
    whole = answered(
        {"content": [{"type": "text", "text": "Hi"}], "citations": citations}
    )

    openai.check_stream(read.output)
    chunks = [json.loads(line[6:]) for line in read.output.splitlines()[:-2:2]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    found = [one for delta in deltas for one in delta.get("citations", ())]
    assert found == [{**one, "index": n} for n, one in enumerate(citations)]
    [choice] = json.loads(whole.output)["choices"]
    assert choice["message"]["citations"] == citations


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("TOOL_CALL", "stop"),
        ("MAX_TOKENS", "length"),
        ("ERROR_TOXIC", "content_filter"),
        ("something new", "stop"),
    ],
)
def test_an_end_has_its_reason(reason: str, finish: str) -> None:
    read = fed(START, text("Hi"), end(reason))
    whole = answered({"content": [{"type": "text", "text": "Hi"}]}, reason)

    [spoken] = openai.check_stream(read.output).choices
    assert spoken.finish == finish
    assert json.loads(whole.output)["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("reason", ["MAX_TOKENS", "ERROR_TOXIC"])
def test_an_honest_silence_is_an_answer(reason: str) -> None:
    for read in (fed(START, end(reason)), answered({}, reason)):
        assert (read.failure, read.begun) == (None, True)


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({**TOKENS, **BILLED}, Usage(50, 7)),
        (BILLED, Usage(5, 6)),
        ({"tokens": {"input_tokens": 5.0, "output_tokens": 6.5}}, Usage(5, 0)),
        ({"tokens": {"input_tokens": -1, "output_tokens": True}}, None),
        ({}, None),
        ("many", None),
    ],
)
def test_what_was_read_and_written_is_counted(usage: Any, counted: Any) -> None:
    message = {"content": [{"type": "text", "text": "Hi"}]}

    assert answered(message, usage=usage).usage == counted


def test_arguments_may_be_cut_short_with_the_answer() -> None:
    call = called('{"a')

    read = fed(START, said("tool-call-start", tool_calls=call), end("MAX_TOKENS"))

    assert read.verdict == ""
    assert answered({"tool_calls": [call]}, "MAX_TOKENS").verdict == ""


def test_calls_without_end_are_given_up() -> None:
    calls = [
        said("tool-call-start", tool_calls=called("{}", f"c{place}"))
        for place in range(1_025)
    ]

    assert fed(START, *calls[1:], end("TOOL_CALL")).verdict == ""
    assert fed(START, *calls, end("TOOL_CALL")).verdict == "malformed"


# What does not


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([], "early_end"),
        ([START, text("Hi")], "early_end"),
        ([START, text("Hi"), end(None)], "early_end"),
        ([START, end()], "empty"),
        ([START, text(""), end()], "empty"),
        ([START, more("{}"), end("TOOL_CALL")], "malformed"),
        (
            [START, said("tool-call-start", tool_calls=CALL), more("{}", 1), end()],
            "malformed",
        ),
        ([START, said("tool-call-start", tool_calls=[CALL]), end()], "malformed"),
        ([START, *[said("tool-call-start", tool_calls=CALL)] * 2, end()], "malformed"),
        ([START, said("content-delta", content="Hi"), end()], "malformed"),
        ([START, text("Hi"), {"type": "message-end"}], "malformed"),
        ([START, text("Hi"), end("TIMEOUT")], "timed_out"),
        ([START, text("Hi"), end("ERROR", error="Sorry")], "server"),
        ([START, text("Hi"), end("ERROR", error={"a": 1})], "server"),
        (
            [START, text("Hi"), end("ERROR", error_type="INVALID_TOOL_GENERATION")],
            "model_fault",
        ),
        (
            [START, said("tool-call-start", tool_calls=CALL), more('{"a'), end()],
            "model_fault",
        ),
        ([START, {"message": "too many requests"}, end()], "rate_limit"),
        ([START, {"type": "error", "message": "overloaded"}, end()], "overloaded"),
    ],
)
def test_a_stream_that_does_not_end_well_fails(events: Any, row: str) -> None:
    read = fed(*events)

    assert read.verdict == row
    assert b"[DONE]" not in read.output


@pytest.mark.parametrize(
    ("message", "reason", "row"),
    [
        ({}, "COMPLETE", "empty"),
        ({"content": [{"type": "text", "text": ""}]}, "COMPLETE", "empty"),
        ({"content": [{"type": "text", "text": "Hi"}]}, None, "early_end"),
        ({"content": [{"type": "text", "text": "Hi"}]}, "ERROR", "server"),
        ({"content": "Hi"}, "COMPLETE", "malformed"),
        ({"content": ["Hi"]}, "COMPLETE", "malformed"),
        ({"tool_calls": [CALL, CALL]}, "TOOL_CALL", "malformed"),
        ({"tool_calls": [{**CALL, "id": None}]}, "TOOL_CALL", "malformed"),
        ({"tool_calls": CALL}, "TOOL_CALL", "malformed"),
        ({"tool_calls": [called("not JSON")]}, "TOOL_CALL", "model_fault"),
        ({"tool_calls": [called("[1]")]}, "TOOL_CALL", "model_fault"),
        (None, "COMPLETE", "malformed"),
        ("too many requests", None, "rate_limit"),
    ],
)
def test_an_answer_that_is_none_fails(message: Any, reason: Any, row: str) -> None:
    assert answered(message, reason).verdict == row


def test_a_whole_answer_to_a_stream_is_told_as_one() -> None:
    body = {"message": {"content": [{"type": "text", "text": "Hi"}]}}
    raw = json.dumps({**body, "finish_reason": "COMPLETE"}).encode()

    read = outcome.fed(DIALECT, JSON, [raw], MODEL)

    assert openai.check_stream(read.output).choices[0].text == "Hi"


def test_a_page_is_no_stream() -> None:
    head = UpstreamHead(200, {"content-type": "text/html"})

    with pytest.raises(UpstreamFailed):
        DIALECT.chat.stream_reader(head, chat(), MODEL)


TRIAL = "You are using a Trial key, which is limited to {} API calls / {}. You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits at 'https://dashboard.cohere.com/api-keys'."
REFUSALS = [
    (400, {"message": "too many tokens: size limit exceeded by 25836 tokens.", "error_type": "TOO_MANY_TOKENS"}, "too_long"),
    (400, {"message": "invalid request: message must be at least 1 token long"}, "rejected"),
    (401, {"message": "Incorrect API key provided: ****."}, "auth"),
    (402, {"message": "Please add a payment method"}, "billing"),
    (403, {"message": "Not allowed"}, "forbidden"),
    (404, {"message": "model 'x' not found, make sure the correct model ID was used"}, "missing"),
    (422, {"message": "unknown field: n"}, "rejected"),
    (429, {"message": TRIAL.format(20, "minute")}, "rate_limit"),
    (429, {"message": TRIAL.format(1000, "month")}, "billing"),
    (429, {"message": "trial token rate limit exceeded, limit is 100000 tokens per minute"}, "rate_limit"),
    (498, {"message": "invalid token"}, "auth"),
    (499, {"message": "request cancelled"}, "server"),
    (500, {"message": "internal server error"}, "server"),
    (503, {"message": "service unavailable"}, "overloaded"),
    (504, {"message": "gateway timeout"}, "timed_out"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "row"), REFUSALS)
def test_an_error_is_what_it_means(status: int, error: Any, row: str) -> None:
    raw = json.dumps({"id": "e", **error}).encode()

    read = DIALECT.chat.parse_error(UpstreamHead(status, {}), raw, MODEL)

    assert read.failure.name == row
    assert read.retry_after is None
