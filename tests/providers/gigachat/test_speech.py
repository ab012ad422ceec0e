from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gigachat import MODEL, STATE
from tests.providers.gigachat.saying import (
    CALL,
    DONE,
    FINISHES,
    JSON,
    SSE,
    TOLD,
    USAGE,
    USAGE_V2,
    delta,
    event,
    v1,
    v2,
)
from tests.values import chat
from tproxy.contract import openai
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.upstream import StreamReader, UpstreamHead, Usage
from tproxy.providers.gigachat import DIALECT, calls


def read(*reads: bytes, head: UpstreamHead = SSE) -> tuple[bytes, StreamReader]:
    asked = chat(stream=True, stream_options={"include_usage": True})
    reader = DIALECT.chat.stream_reader(head, asked, MODEL)
    return b"".join([*map(reader.feed, reads), reader.close()]), reader


def streamed(*events: bytes) -> Any:
    """What a good stream comes to, whole and byte by byte."""
    whole = b"".join(events)
    output, reader = read(whole)
    assert reader.failure is None
    assert reader.begun
    assert read(*(whole[at : at + 1] for at in range(len(whole))))[0] == output
    return openai.check_stream(output, usage=reader.usage is not None)


def failed(*events: bytes) -> UpstreamFailed:
    output, reader = read(*events)
    assert reader.failure is not None
    openai.check_broken_stream(output)
    return reader.failure


def test_a_stream_of_text_is_openais() -> None:
    told = streamed(
        b"\n" + delta(role="assistant", content="1, "),
        delta(content="2"),
        event({**v1("stop", "delta", content=""), "usage": USAGE}),
        DONE,
    )

    [choice] = told.choices
    assert (choice.text, choice.finish) == ("1, 2", "stop")
    assert told.usage == TOLD


def test_a_stream_of_v2_ends_without_a_mark() -> None:
    done = {"finish_reason": "stop", "usage": USAGE_V2}

    told = streamed(
        event(v2({"text": "1, "}, finish=None), "response.message.delta"),
        event({"messages": [{"content": [{"text": "2"}]}]}, "response.message.delta"),
        event(done, "response.message.done"),
    )

    [choice] = told.choices
    assert (choice.text, choice.finish) == ("1, 2", "stop")
    assert told.usage == TOLD


@pytest.mark.parametrize(("finish", "told"), FINISHES)
def test_finish_reasons_are_openais(finish: object, told: str) -> None:
    assert streamed(delta(content="Hi"), delta(finish), DONE).choices[0].finish == told


@pytest.mark.parametrize("finish", ["length", "blacklist"])
def test_some_ends_are_honest_without_a_word(finish: str) -> None:
    assert streamed(delta(finish, content=""), DONE).choices[0].text == ""


@pytest.mark.parametrize(
    "events",
    [
        [
            delta(function_call=CALL, functions_state_id=STATE),
            delta("function_call", content=""),
            DONE,
        ],
        [delta("function_call", function_call=CALL, functions_state_id=STATE), DONE],
        [
            event(
                v2(
                    {"function_call": CALL}, finish="function_call", tool_state_id=STATE
                ),
                "response.message.done",
            )
        ],
    ],
)
def test_a_call_comes_whole(events: list[bytes]) -> None:
    output, reader = read(*events)

    [choice] = streamed(*events).choices
    assert choice.finish == "tool_calls"
    made = calls.call(chat(), 0, "weather", "", STATE)
    assert f'"id":"{made.id}"'.encode() in output
    assert rb'"arguments":"{\"city\": \"' in output
    assert reader.failure is None


def test_several_calls_are_counted() -> None:
    two = v2({"function_call": CALL}, {"function_call": CALL}, finish=None)

    [choice] = streamed(
        event(two), event(two), event({"finish_reason": "stop"})
    ).choices

    assert len(choice.calls) == 4


def test_work_under_way_is_not_told() -> None:
    reader = read(delta(role="function_in_progress", name="text2image", content="9 s"))
    tool = v2({"tool_execution": {"name": "web_search"}}, finish=None)

    assert reader[0] == b""
    told = streamed(
        delta(role="function_in_progress", content="9 s"),
        event(tool, "response.tool.in_progress"),
        event({"a": 1}, "something.else"),
        delta("stop", content="Done"),
    )
    assert told.choices[0].text == "Done"


def test_nothing_begins_before_there_is_content() -> None:
    reader = DIALECT.chat.stream_reader(SSE, chat(stream=True), MODEL)

    assert reader.feed(delta(role="assistant", content="")) == b""
    assert not reader.begun
    assert reader.feed(delta(reasoning_content="hm")) != b""
    assert reader.begun


def test_after_the_end_nothing_is_heard() -> None:
    output, reader = read(
        delta("stop", content="Hi"), DONE, delta(content="more"), DONE
    )

    assert reader.failure is None
    assert output.count(DONE) == 1
    assert b"more" not in output


def test_usage_is_counted_as_soon_as_it_is_told() -> None:
    reader = DIALECT.chat.stream_reader(SSE, chat(stream=True), MODEL)
    reader.feed(event({**v1("stop", "delta", content="Hi"), "usage": USAGE}))

    assert reader.usage == Usage(17, 3)


@pytest.mark.parametrize(
    ("events", "row"),
    [
        ([], failures.EARLY_END),
        ([b": comment\n\n"], failures.EARLY_END),
        ([delta(content="Hi")], failures.EARLY_END),
        ([delta("stop", content="")], failures.EMPTY),
        ([delta("stop", content=""), DONE], failures.EMPTY),
        ([DONE], failures.EMPTY),
        ([delta(content="Hi"), b"data: {oops\n\n", DONE], failures.MALFORMED),
        ([delta(content="Hi"), delta("stop")[:-10]], failures.MALFORMED),
        ([delta(content="Hi"), delta("error"), DONE], failures.MODEL_FAULT),
        (
            [delta(content="Hi"), event({"status": 500, "message": "Internal"}), DONE],
            failures.SERVER,
        ),
        (
            [event({"code": 1, "text": "boom"}, "response.error")],
            failures.SERVER,
        ),
        (
            [event({"error": {"message": "rate limit"}}, "response.error")],
            failures.RATE_LIMIT,
        ),
    ],
)
def test_a_stream_that_goes_wrong_is_a_failure(
    events: list[bytes], row: Failure
) -> None:
    assert failed(*events).failure is row


def test_a_whole_answer_to_one_who_asked_for_a_stream_is_told_as_one() -> None:
    body = json.dumps(v1(content="Hi")).encode()

    output, reader = read(body[:9], body[9:], head=JSON)

    assert reader.failure is None
    assert openai.check_stream(output, usage=False).choices[0].text == "Hi"


def test_an_error_in_its_place_is_one() -> None:
    body = json.dumps({"status": 429, "message": "Too many requests"}).encode()

    _, reader = read(body, head=JSON)

    assert reader.failure is not None
    assert reader.failure.failure is failures.RATE_LIMIT


def test_a_page_is_no_stream() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        read(head=UpstreamHead(200, {"content-type": "text/html; charset=utf-8"}))

    assert caught.value.failure is failures.MALFORMED
