"""What Ollama answers, well and badly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.ollama.test_request import MODEL
from tests.values import chat
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.core.errors import UpstreamFailed
from tproxy.core.sse import MAX_EVENT
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.ollama import DIALECT

JSON = UpstreamHead(200, {"content-type": "application/json; charset=utf-8"})
LINES = UpstreamHead(200, {"content-type": "application/x-ndjson"})
COUNTS = {"prompt_eval_count": 5, "eval_count": 7}
WEATHER = {"name": "weather", "arguments": {"city": "Rome"}}


def told(done: bool = False, **message: Any) -> dict[str, Any]:
    return {"message": {"role": "assistant", **message}, "done": done}


def end(reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    told_why = {} if reason is None else {"done_reason": reason}
    return {**told(True, **message), **told_why, **COUNTS}


def fed(*lines: Any, head: UpstreamHead = LINES) -> Outcome:
    raw = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return outcome.fed(DIALECT, head, [raw], MODEL)


def answered(said: Any) -> Outcome:
    return outcome.answered(DIALECT, JSON, json.dumps(said).encode(), MODEL)


# What ends well


def test_thoughts_text_and_calls_are_told_as_they_come() -> None:
    read = fed(
        told(thinking="hm"),
        told(content="Hel"),
        told(content="lo"),
        told(content="", tool_calls=[{"function": WEATHER}]),
        told(tool_calls=[{"id": "own", "function": {"index": 1, **WEATHER}}]),
        end(content=""),
    )

    stream = openai.check_stream(read.output, usage=True)
    [spoken] = stream.choices
    assert (spoken.reasoning, spoken.text) == ("hm", "Hello")
    assert [(c.id, c.name, c.arguments) for c in spoken.calls] == [
        ("call_req_contract_0", "weather", '{"city": "Rome"}'),
        ("own", "weather", '{"city": "Rome"}'),
    ]
    assert spoken.finish == "tool_calls"
    assert read.usage == Usage(5, 7)


def test_a_whole_answer_says_the_same() -> None:
    call = {"id": "own", "function": WEATHER}

    read = answered(end(thinking="hm", content="Hello", tool_calls=[call, call]))

    [choice] = openai.check_completion(read.output)["choices"]
    message = choice["message"]
    assert (message["reasoning_content"], message["content"]) == ("hm", "Hello")
    assert [c["id"] for c in message["tool_calls"]] == ["own", "call_req_contract_1"]
    assert choice["finish_reason"] == "tool_calls"
    assert read.usage == Usage(5, 7)


@pytest.mark.parametrize("arguments", [{}, None, "", "{}"])
def test_a_call_may_have_no_arguments(arguments: object) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}

    [choice] = json.loads(answered(end(tool_calls=[call])).output)["choices"]

    assert choice["message"]["content"] is None
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("stop", "stop"), ("length", "length"), (None, "stop"), ("something new", "stop")],
)
def test_an_end_has_its_reason(reason: str | None, finish: str) -> None:
    [spoken] = openai.check_stream(fed(told(content="Hi"), end(reason)).output).choices
    whole = json.loads(answered(end(reason, content="Hi")).output)

    assert spoken.finish == finish
    assert whole["choices"][0]["finish_reason"] == finish


def test_an_answer_cut_short_may_say_nothing() -> None:
    for read in (fed(end("length")), answered(end("length", content=""))):
        assert (read.verdict, read.begun) == ("", True)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ({"eval_count": 7}, Usage(0, 7)),
        ({"prompt_eval_count": 5, "eval_count": -1}, Usage(5, 0)),
        ({}, None),
    ],
)
def test_what_the_cache_spared_is_not_told(counts: Any, usage: Usage | None) -> None:
    said = {**told(True, content="Hi"), **counts}

    assert answered(said).usage == usage
    assert fed(said).usage == usage


def test_the_media_type_and_the_last_line_end_may_be_others() -> None:
    raw = b'\r\n{"message": {"content": "Hi"}}\r\n\r\n' + json.dumps(end()).encode()

    for kind in ("text/event-stream", "application/json", ""):
        read = outcome.fed(
            DIALECT, UpstreamHead(200, {"content-type": kind}), [raw], MODEL
        )
        assert openai.check_stream(read.output).choices[0].text == "Hi"


def test_nothing_is_read_after_the_end() -> None:
    assert fed(told(content="Hi"), end(), told(content="!"), {}).verdict == ""


# What does not


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        ([], "early_end"),
        ([told(content="Hi")], "early_end"),
        ([end()], "empty"),
        ([end("load", content="")], "empty"),
        ([end("unload", content="")], "empty"),
        ([{"done": True}], "malformed"),
        ([told(content=1)], "malformed"),
        ([told(tool_calls={})], "malformed"),
        ([told(tool_calls=[{"function": {"arguments": {}}}])], "malformed"),
        ([told(tool_calls=[{"function": {**WEATHER, "arguments": "["}}])],
         "model_fault"),
        ([told(tool_calls=[{"function": WEATHER}] * 1_025), end()], "malformed"),
        ([told(content="Hi"), {"error": "an error was encountered"}], "server"),
        ([{"error": '"x" does not support thinking'}], "unsupported"),
        (["Hi"], "malformed"),
    ],
)  # fmt: skip
def test_a_stream_that_goes_wrong_is_a_failure(lines: Any, row: str) -> None:
    read = fed(*lines)

    assert read.verdict == row
    assert b"[DONE]" not in read.output


@pytest.mark.parametrize(
    ("said", "row"),
    [
        (end(content=""), "empty"),
        (told(content="Hi"), "early_end"),
        ({"error": "something went wrong"}, "server"),
        ({}, "malformed"),
        ([], "malformed"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(said: Any, row: str) -> None:
    assert answered(said).verdict == row


def test_an_endless_line_is_given_up() -> None:
    reader = DIALECT.chat.stream_reader(LINES, chat(stream=True), MODEL)

    for _ in range(MAX_EVENT // 1_000_000 + 3):
        assert reader.feed(b"x" * 1_000_000) == b""

    assert reader.failure is not None
    assert reader.failure.failure.name == "malformed"
    assert reader.feed(b"\n") == reader.close() == b""


def test_a_page_is_no_stream() -> None:
    with pytest.raises(UpstreamFailed):
        DIALECT.chat.stream_reader(
            UpstreamHead(200, {"content-type": "text/html"}), chat(), MODEL
        )
