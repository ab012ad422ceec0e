"""What Anthropic answers, well and badly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.anthropic.models import model
from tests.values import chat
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.anthropic import DIALECT

MODEL, OLD = model(), model("claude-3-haiku-20240307")
JSON = UpstreamHead(200, {"content-type": "application/json"})
EVENTS = UpstreamHead(200, {"content-type": "text/event-stream; charset=utf-8"})
SCHEMA = {"name": "n", "schema": {"type": "object"}}
FORM: Any = {"response_format": {"type": "json_schema", "json_schema": SCHEMA}}

START = {
    "type": "message_start",
    "message": {"id": "m", "usage": {"input_tokens": 5, "output_tokens": 1}},
}
PING = {"type": "ping"}
STOP = {"type": "message_stop"}
CALL = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}


def block(index: int, start: Any, *deltas: Any) -> list[Any]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *(
            {"type": "content_block_delta", "index": index, "delta": delta}
            for delta in deltas
        ),
        {"type": "content_block_stop", "index": index},
    ]


def text(index: int, *words: str) -> list[Any]:
    deltas = ({"type": "text_delta", "text": word} for word in words)
    return block(index, {"type": "text", "text": ""}, *deltas)


def json_delta(text: str) -> Any:
    return {"type": "input_json_delta", "partial_json": text}


def end(reason: Any = "end_turn", **usage: int) -> list[Any]:
    usage = usage or {"output_tokens": 7}
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage},
        STOP,
    ]


def fed(*events: Any, of: Any = MODEL, **fields: Any) -> Outcome:
    """A stream read whole; what was asked has `fields`."""
    raw = b"".join(
        b"event: %b\ndata: %b\n\n" % (said["type"].encode(), json.dumps(said).encode())
        for said in events
    )
    asked = outcome.asked(stream=True, usage=True, **fields)
    reader = DIALECT.chat.stream_reader(EVENTS, asked, of)
    output = reader.feed(raw) + reader.close()
    return Outcome(output, reader.begun, reader.failure, reader.usage)


def answered(content: Any, reason: Any = "end_turn", **said: Any) -> Outcome:
    usage = {"input_tokens": 5, "output_tokens": 7}
    body = {"id": "m", "content": content, "stop_reason": reason, "usage": usage}
    raw = json.dumps({**body, **said}).encode()
    return outcome.answered(DIALECT, JSON, raw, MODEL)


# Streams that end well


def test_text_and_calls_are_told_as_they_come() -> None:
    read = fed(
        START,
        *text(0, "Hel", "", "lo"),
        PING,
        *block(1, CALL, json_delta(""), json_delta('{"a"'), json_delta(": 1}")),
        *block(2, {**CALL, "id": "c2"}, json_delta("")),
        *block(3, {**CALL, "id": "c3", "input": {"b": 2}}),
        *end("tool_use"),
    )

    stream = openai.check_stream(read.output, usage=True)
    [spoken] = stream.choices
    assert spoken.text == "Hello"
    assert [(c.id, c.arguments) for c in spoken.calls] == [
        ("c1", '{"a": 1}'),
        ("c2", "{}"),
        ("c3", '{"b": 2}'),
    ]
    assert spoken.finish == "tool_calls"
    assert read.usage == Usage(5, 7)


@pytest.mark.parametrize("given", [{}, {"input": {}}, {"input": None}])
def test_a_call_without_arguments_has_none(given: Any) -> None:
    call = {"type": "tool_use", "id": "c1", "name": "f", **given}

    whole = json.loads(answered([call], "tool_use").output)
    read = fed(START, *block(0, call), *end("tool_use"))

    [told] = whole["choices"][0]["message"]["tool_calls"]
    assert told["function"]["arguments"] == "{}"
    [spoken] = openai.check_stream(read.output).choices
    assert [call.arguments for call in spoken.calls] == ["{}"]


def test_calls_without_end_are_given_up() -> None:
    calls = [{**CALL, "id": f"c{place}"} for place in range(1_025)]
    events = [event for call in calls for event in block(0, call)]

    assert fed(START, *events[:-2], *end("tool_use")).verdict == ""
    assert fed(START, *events, *end("tool_use")).verdict == "malformed"


def test_later_figures_of_usage_take_the_place_of_earlier_ones() -> None:
    figures = {"input_tokens": 3, "cache_creation_input_tokens": 10}
    figures |= {"cache_read_input_tokens": 100, "output_tokens": 9}

    read = fed(START, *text(0, "Hi"), *end(**figures))

    told = openai.check_stream(read.output, usage=True).usage
    assert told is not None
    assert (told["prompt_tokens"], told["completion_tokens"]) == (113, 9)
    assert told["prompt_tokens_details"] == {"cached_tokens": 100}


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("tool_use", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("something new", "stop"),
    ],
)
def test_an_end_has_its_reason(reason: str, finish: str) -> None:
    read = fed(START, *text(0, "Hi"), *end(reason))
    [spoken] = openai.check_stream(read.output).choices
    whole = json.loads(answered([{"type": "text", "text": "Hi"}], reason).output)

    assert spoken.finish == finish
    assert whole["choices"][0]["finish_reason"] == finish


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
def test_an_honest_silence_is_an_answer(reason: str) -> None:
    for read in (fed(START, *end(reason)), answered([], reason)):
        assert (read.failure, read.begun) == (None, True)


def test_what_anthropic_ran_itself_is_passed_over() -> None:
    server = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    citation = {"type": "web_search_result_location", "url": "https://x.test"}
    cited = {"type": "citations_delta", "citation": citation}
    events = [
        *block(0, server, json_delta('{"query": "?"}')),
        *block(1, result),
        *block(2, {"type": "text", "text": "A"}, cited, cited),
    ]

    read = fed(START, *events, *end())

    [spoken] = openai.check_stream(read.output).choices
    assert (spoken.text, spoken.calls) == ("A", [])
    # OpenAI's clients put lists together by the index.
    numbered = json.dumps({**citation, "index": 1}, separators=(",", ":"))
    assert numbered.encode() in read.output
    texts = [{"type": "text", "text": "A", "citations": [citation]}]
    [choice] = json.loads(answered([server, result, *texts]).output)["choices"]
    assert choice["message"]["content"] == "A"
    assert choice["message"]["citations"] == [citation]


def test_an_answer_by_tool_is_text() -> None:
    form = {**CALL, "name": "answer"}
    events = [*block(0, form, json_delta('{"a"'), json_delta(":1}")), *end("tool_use")]

    read = fed(START, *events, of=OLD, **FORM)
    empty = fed(START, *block(0, form), *end("tool_use"), of=OLD, **FORM)
    body = {"id": "m", "content": [{**form, "input": {"a": 1}}]}
    raw = json.dumps({**body, "stop_reason": "tool_use"}).encode()
    whole = DIALECT.chat.parse_response(JSON, raw, chat(**FORM), OLD)

    [spoken] = openai.check_stream(read.output).choices
    assert (spoken.text, spoken.calls, spoken.finish) == ('{"a":1}', [], "stop")
    assert openai.check_stream(empty.output).choices[0].text == "{}"
    [choice] = json.loads(whole.body)["choices"]
    assert choice["message"]["content"] == '{"a": 1}'
    assert choice["finish_reason"] == "stop"


# Streams and answers that do not


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([START, *text(0, "Hi")], "early_end"),
        ([START, *text(0, "Hi"), end()[0]], "early_end"),
        ([START, *text(0, "Hi"), STOP], "early_end"),
        ([START, *end()], "empty"),
        ([START, *text(0, ""), *end()], "empty"),
        ([START, *text(0, "Hi")[1:], *end()], "malformed"),
        ([START, *text(0, "Hi")[:1], *text(1, "Hi")[1:], *end()], "malformed"),
        ([START, *block(0, CALL, {"type": "text_delta"}), *end()], "malformed"),
        ([START, *block(0, {**CALL, "id": ""}), *end()], "malformed"),
        ([START, *block(0, CALL), *block(1, CALL), *end()], "malformed"),
        ([{"type": "message_start"}, *text(0, "Hi"), *end()], "malformed"),
        ([START, *block(0, {"type": "text", "text": 1}), *end()], "malformed"),
        ([START, *block(0, None), *end()], "malformed"),
    ],
)
def test_a_stream_that_does_not_end_well_fails(events: Any, row: str) -> None:
    read = fed(*events)

    assert read.verdict == row
    assert b"[DONE]" not in read.output


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        ("overloaded_error", "overloaded"),
        ("api_error", "server"),
        ("rate_limit_error", "rate_limit"),
        ("timeout_error", "timed_out"),
    ],
)
def test_an_error_in_a_stream_is_one(kind: str, row: str) -> None:
    error = {"type": "error", "error": {"type": kind, "message": "Sorry"}}

    read = fed(START, *text(0, "Hi"), error, *end())

    assert read.verdict == row
    assert b"Hi" in read.output
    assert b"[DONE]" not in read.output


@pytest.mark.parametrize(
    ("content", "reason", "row"),
    [
        ([], "end_turn", "empty"),
        ([{"type": "text", "text": ""}], "end_turn", "empty"),
        ([{"type": "text", "text": "Hi"}], None, "early_end"),
        ([{"type": "text", "text": []}], "end_turn", "malformed"),
        ("Hi", "end_turn", "malformed"),
        (["Hi"], "end_turn", "malformed"),
        ([CALL, CALL], "tool_use", "malformed"),
        ([{**CALL, "input": "{}"}], "tool_use", "malformed"),
        ([{**CALL, "input": {"a": float("nan")}}], "tool_use", "malformed"),
        ([{**CALL, "name": None}], "tool_use", "malformed"),
    ],
)
def test_an_answer_that_is_none_fails(content: Any, reason: Any, row: str) -> None:
    assert answered(content, reason).verdict == row


def test_an_error_in_a_200_is_one() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    raw = json.dumps({"type": "error", "error": error}).encode()

    whole = outcome.answered(DIALECT, JSON, raw, MODEL)
    streamed = outcome.fed(DIALECT, JSON, [raw], MODEL)

    assert (whole.verdict, streamed.verdict) == ("overloaded", "overloaded")


def test_a_page_is_no_stream() -> None:
    head = UpstreamHead(200, {"content-type": "text/html"})

    with pytest.raises(UpstreamFailed):
        DIALECT.chat.stream_reader(head, chat(), MODEL)
