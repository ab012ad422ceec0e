from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.cloudflare import MODEL
from tests.values import chat
from tproxy.contract import openai
from tproxy.contract.openai import Stream
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.upstream import StreamReader, UpstreamHead
from tproxy.providers.cloudflare import DIALECT

SSE = UpstreamHead(200, {"content-type": "text/event-stream"})
DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 4, "completion_tokens": 3}


def event(**said: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(said).encode()


def old(response: object = "", **beside: object) -> bytes:
    return event(response=response, p="abcdef", **beside)


def chunk(finish: object = None, **delta: object) -> bytes:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def calls(*parts: object) -> bytes:
    return chunk(tool_calls=[*parts])


def part(arguments: object, **beside: object) -> dict[str, object]:
    return {"function": {"arguments": arguments}, **beside}


def reader(head: UpstreamHead = SSE, /, **asked: object) -> StreamReader:
    return DIALECT.chat.stream_reader(head, chat(stream=True, **asked), MODEL)


def read(*events: bytes) -> Stream:
    reading = reader(stream_options={"include_usage": True})
    said = b"".join(map(reading.feed, events)) + reading.close()
    assert reading.failure is None
    assert reading.begun
    return openai.check_stream(said)


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([old("You"), old("'re"), DONE], "You're"),
        ([old("1"), old(2), old(3.5), DONE], "123.5"),
        ([chunk(role="assistant", content=""), chunk(content="Hi"), DONE], "Hi"),
        ([chunk(content="Hi"), chunk("stop"), old(usage=USAGE), DONE], "Hi"),
        ([chunk(content="Hi"), chunk("stop")], "Hi"),
        ([chunk("stop", content="Hi")], "Hi"),
        ([event(result={"response": "Hi"}), DONE], "Hi"),
        ([old("Hi"), event(choices=[]), event(choices=None, x=1), DONE], "Hi"),
        ([event(choices=[{"delta": {"content": "Hi"}}], response="Hi"), DONE], "Hi"),
        ([old("Hi"), event(choices=[{"delta": None}]), DONE, DONE], "Hi"),
        ([old("Hi"), DONE, old("more")], "Hi"),
        ([b": ping\n\n", old("Hi"), DONE], "Hi"),
    ],
)
def test_both_forms_are_read_event_by_event(events: list[bytes], text: str) -> None:
    [said] = read(*events).choices

    assert (said.text, said.finish) == (text, "stop")


def test_thoughts_are_told_once() -> None:
    [said] = read(
        chunk(reasoning="hm", reasoning_content="hm"),
        chunk(reasoning="?"),
        chunk(content="Hi"),
        DONE,
    ).choices

    assert (said.reasoning, said.text) == ("hm?", "Hi")


@pytest.mark.parametrize(
    "events",
    [
        [old(tool_calls=[{"name": "f", "arguments": {"a": 1}}])],
        [old(tool_calls=[{"name": "f", "arguments": '{"a": 1}'}])],
        [calls({"name": "f", "arguments": '{"a": 1}', "index": 0, "id": "c"})],
        [
            calls({"index": 0, "id": "c", "function": {"name": "f", "arguments": ""}}),
            calls(part('{"a"', index=0)),
            calls(part(": 1}", index=0)),
            calls({"index": 0, "function": {"name": None, "arguments": None}}),
        ],
        [
            calls({"id": "c", "function": {"name": "f"}}),
            calls(part('{"a"', id="c")),
            calls(part(": 1}")),
        ],
        [
            calls({"index": 0, "function": {"name": "f", "arguments": '{"a"'}}),
            calls({"index": 0, "function": {"name": "f", "arguments": ": 1}"}}),
        ],
    ],
)
def test_calls_of_all_forms_become_one(events: list[bytes]) -> None:
    [said] = read(*events, DONE).choices

    assert said.finish == "tool_calls"
    assert [(c.name, c.arguments) for c in said.calls] == [("f", '{"a": 1}')]


def test_several_calls_stay_apart() -> None:
    events = [
        calls({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}),
        calls({"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}),
        calls(part("}", index=0)),
        calls({"index": 0, "id": "c", "function": {"name": "h"}}),
        old(tool_calls=[{"name": "i", "arguments": {}}]),
    ]

    [said] = read(*events, chunk("stop"), DONE).choices

    assert [(c.name, c.arguments) for c in said.calls] == [
        *(("f", "{}"), ("g", "{}"), ("h", "{}"), ("i", "{}"))
    ]
    assert len({call.id for call in said.calls}) == 4


def test_whole_calls_of_one_id_are_several() -> None:
    call = {"id": "a", "name": "f", "arguments": {"a": 1}}

    [said] = read(old(tool_calls=[call, call]), old(tool_calls=[call]), DONE).choices

    assert [c.arguments for c in said.calls] == ['{"a": 1}'] * 3
    assert len({c.id for c in said.calls}) == 3


@pytest.mark.parametrize(
    ("events", "asked", "finish"),
    [
        ([old("Hi"), old(usage=USAGE), DONE], {"max_tokens": 3}, "length"),
        ([old("Hi"), old(usage=USAGE), DONE], {}, "stop"),
        ([chunk("length"), DONE], {}, "length"),
        ([chunk("content_filter"), DONE], {}, "content_filter"),
    ],
)
def test_the_end_is_told_or_found_out(
    events: list[bytes], asked: dict[str, object], finish: str
) -> None:
    reading = reader(**asked)
    said = b"".join(map(reading.feed, events)) + reading.close()

    assert openai.check_stream(said).choices[0].finish == finish
    assert reading.begun


@pytest.mark.parametrize(
    ("events", "failure"),
    [
        ([], failures.EARLY_END),
        ([old("Hi")], failures.EARLY_END),
        ([chunk(content="Hi")], failures.EARLY_END),
        ([old("Hi"), b'data: {"respon'], failures.MALFORMED),
        ([DONE], failures.EMPTY),
        ([old(""), old(usage=USAGE), DONE], failures.EMPTY),
        ([chunk("stop"), DONE], failures.EMPTY),
        ([calls({"index": 0, "function": {"name": None}}), DONE], failures.EMPTY),
        ([old("Hi"), b"data: 12\n\n"], failures.MALFORMED),
        ([old("Hi"), b"data: {\n\n"], failures.MALFORMED),
        ([old("Hi"), chunk("error"), DONE], failures.SERVER),
        ([b"event: error\ndata: {}\n\n"], failures.SERVER),
        ([calls({"name": "f", "arguments": '{"a'}), DONE], failures.MODEL_FAULT),
        ([calls({"name": "f", "arguments": 7}), DONE], failures.MODEL_FAULT),
        ([calls({"name": "f", "arguments": {}}) * 1_025, DONE], failures.MALFORMED),
        ([old("Hi"), event(errors=[{"code": 3040, "message": "capacity"}])],
         failures.OVERLOADED),
        ([event(success=False, errors=[], result=None)], failures.SERVER),
        ([event(error={"code": 429, "message": "slow"})], failures.RATE_LIMIT),
    ],
)  # fmt: skip
def test_a_stream_that_goes_wrong_is_a_failure(
    events: list[bytes], failure: Failure
) -> None:
    reading = reader()
    said = b"".join(map(reading.feed, events)) + reading.close()

    assert reading.failure is not None
    assert reading.failure.failure is failure
    assert b"[DONE]" not in said
    openai.check_broken_stream(said)


def test_nothing_has_begun_without_content() -> None:
    reading = reader()

    for said in (old(""), chunk(role="assistant", content=""), calls({"index": 0})):
        assert reading.feed(said) == b""
        assert not reading.begun
    assert reading.feed(old("Hi"))
    assert reading.begun


def test_an_answer_that_comes_whole_is_told_as_a_stream() -> None:
    head = UpstreamHead(200, {"content-type": "application/json"})
    reading = reader(head)
    body = {"result": {"response": "Hi"}, "success": True, "errors": []}

    assert reading.feed(json.dumps(body).encode()) == b""
    [said] = openai.check_stream(reading.close()).choices

    assert said.text == "Hi"
    assert reading.begun


def test_a_page_is_no_stream() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        reader(UpstreamHead(200, {"content-type": "text/html; charset=UTF-8"}))

    assert caught.value.failure is failures.MALFORMED
