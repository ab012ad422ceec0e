from __future__ import annotations

import itertools
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import dialect
from tests.values import KEY, chat, model
from tproxy.core import failures, sse
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.openai import DIALECT, PassThrough

MODEL = model("a")
ADAPTER = DIALECT.chat
ROLE = dialect.event()
HELLO = dialect.event("Hello")
STOP = dialect.event(finish="stop")
DONE = dialect.DONE
COMMENT = b": OPENROUTER PROCESSING\n\n"


def event(**said: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(said).encode()


def choice(finish: object = None, **delta: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


@attrs.define
class Stream:
    """A stream as far as it was read."""

    handed_on: bytes
    begun: bool
    failure: Failure | None
    usage: Usage | None


def read(*reads: bytes) -> Stream:
    reader = PassThrough(MODEL)
    handed_on = b"".join(map(reader.feed, reads)) + reader.close()
    failure = None if reader.failure is None else reader.failure.failure
    return Stream(handed_on, reader.begun, failure, reader.usage)


def sliced(stream: bytes) -> Stream:
    """Read whole, and byte by byte: it must come to the same."""
    whole = read(stream)
    assert read(*(stream[at : at + 1] for at in range(len(stream)))) == whole
    return whole


# What is asked


def test_a_request_is_the_clients_with_the_upstreams_model_and_headers() -> None:
    upstream = Upstream(
        "https://u/chat/completions", "openai", Secret(KEY), (("X-Title", "t"),)
    )
    asked = chat(model="SMALL", stream=True, top_k=1)

    request = ADAPTER.build_request(asked, model(upstream_name="m", upstream=upstream))

    assert (request.method, request.url) == ("POST", "https://u/chat/completions")
    assert request.headers == (
        ("Content-Type", "application/json"),
        ("Accept", "text/event-stream"),
        ("X-Title", "t"),
    )
    assert request.body == asked.document.text.replace('"SMALL"', '"m"').encode()
    assert KEY not in repr(request)


def test_an_answer_that_is_not_streamed_is_asked_for_as_json() -> None:
    assert ("Accept", "application/json") in ADAPTER.build_request(
        chat(), MODEL
    ).headers


# Streams that end well


@pytest.mark.parametrize(
    "stream",
    [
        ROLE + HELLO + STOP + DONE,
        HELLO + STOP + DONE + DONE,
        HELLO + STOP,
        HELLO + DONE,
        COMMENT + ROLE + COMMENT + HELLO + COMMENT + STOP + DONE,
        b"\n\n" + HELLO + STOP + DONE,
        b"\xef\xbb\xbf" + HELLO + STOP + DONE,
        HELLO + STOP + DONE[:-1],
        HELLO + STOP + DONE[:-2],
        HELLO + STOP[:-2],
        HELLO + STOP + b"data: [DONE] \n",
        HELLO + STOP + b": ping\n: pin",
        HELLO + STOP + b"data:[DONE]\n\n",
        HELLO + b"data:[DONE]\n\n",
        HELLO + STOP + DONE + b"\n\n\n",
        b"id: 1\nretry: 10\n" + HELLO + STOP + DONE,
        b"event: message\n" + HELLO + STOP + DONE,
        HELLO.replace(b'"choices"', b'\ndata: "choices"') + STOP + DONE,
        HELLO + STOP.replace(b'"finish_reason": "stop"', b'"finish_reason" :\t"stop"'),
        HELLO.replace(b'{"id"', b'{"error": null, "id"') + STOP + DONE,
        dialect.event('{"error": {"message": "x"}}') + STOP + DONE,
        dialect.event('data: {"error": 1}\n\ndata: [DONE]') + STOP + DONE,
        HELLO + dialect.event("error") + STOP + DONE,
        event(choices=[], prompt_filter_results=[], id="") + HELLO + STOP + DONE,
        HELLO + STOP + event(choices=[], usage={"prompt_tokens": 1}) + DONE,
        HELLO + event(type="ping") + STOP + DONE,
        HELLO + event(choices=None) + STOP + DONE,
        HELLO + choice("eos") + DONE,
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_a_good_stream_is_handed_on_as_it_is(stream: bytes, end: bytes) -> None:
    stream = stream.replace(b"\n", end)

    assert sliced(stream) == Stream(stream, True, None, sliced(stream).usage)


@pytest.mark.parametrize(
    "first",
    [
        choice(content="Hi"),
        choice(reasoning="hm"),
        choice(reasoning_content="hm"),
        choice(reasoning_details=[{"type": "reasoning.text", "text": "hm"}]),
        choice(content=[{"type": "thinking", "thinking": []}]),
        choice(refusal="no"),
        choice(audio={"id": "a"}),
        choice(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f"}}]),
        choice(function_call={"name": "f", "arguments": ""}),
        choice("length"),
        choice("content_filter"),
        choice("tool_calls"),
        choice("function_call"),
        choice("model_length"),
        choice("sensitive"),
        event(choices=[{"text": "Hi"}]),
        event(choices=[{"delta": {"content": ""}, "message": {"content": "Hi"}}]),
        event(choices=[{"delta": None, "message": {"content": "Hi"}}]),
        event(choices=[{"index": 0}, {"index": 1, "delta": {"content": "Hi"}}]),
    ],
)
def test_an_answer_has_begun_with_its_first_content(first: bytes) -> None:
    reader = PassThrough(MODEL)
    for held in (COMMENT, ROLE, choice(role="assistant", content=""), choice()):
        assert reader.feed(held) == held
        assert not reader.begun

    assert reader.feed(first) == first
    assert reader.begun


@pytest.mark.parametrize(
    "said",
    [
        ROLE,
        COMMENT,
        choice(content=""),
        choice(content=None, tool_calls=[], reasoning_details=[], annotations=[]),
        choice(token_id=1, role="assistant"),
        choice(channel="analysis", role="assistant", content=""),
        choice("stop"),
        event(choices=[]),
        event(choices=[{"delta": None}]),
        event(choices=["x"]),
        event(choices={"0": 1}),
        event(usage={"prompt_tokens": 5}),
        event(),
    ],
)
def test_nothing_else_begins_one(said: bytes) -> None:
    reader = PassThrough(MODEL)

    assert reader.feed(said) == said
    assert not reader.begun


# Streams that go wrong


def error(said: object = "overloaded", **beside: Any) -> bytes:
    return event(error=said, **beside)


@pytest.mark.parametrize(
    ("told", "failure"),
    [
        (error({"message": "m", "code": 503}), failures.OVERLOADED),
        (error({"message": "m", "code": "rate_limit_exceeded"}), failures.RATE_LIMIT),
        (
            error({"message": "Provider returned error", "code": 429}),
            failures.RATE_LIMIT,
        ),
        (error({"message": "m", "type": "invalid_request_error"}), failures.REJECTED),
        (error({"code": "context_length_exceeded"}), failures.TOO_LONG),
        (error({"code": "insufficient_quota"}), failures.BILLING),
        (error("Model is overloaded", error_type="overloaded"), failures.OVERLOADED),
        (error({"message": "m", "code": 502}, choices=[]), failures.SERVER),
        (
            error({"code": 400, "message": "Token limit reached"}, choices=[{}]),
            failures.TOO_LONG,
        ),
        (event(object="error", message="m", code=400), failures.REJECTED),
        (event(detail="Invalid API Key"), failures.AUTH),
        (event(msg="busy"), failures.SERVER),
        (b"event: error\n" + event(message="m"), failures.SERVER),
        (b"event: error\ndata: rate limit\n\n", failures.RATE_LIMIT),
        (b'data: [{"error": {"code": 429, "message": "m"}}]\n\n', failures.RATE_LIMIT),
        (b'{"error": {"message": "m", "code": 429}}\n\n', failures.RATE_LIMIT),
        (event(choices=[{"error": {"code": 429}}]), failures.RATE_LIMIT),
        (event(choices=[{"error": "x", "finish_reason": "error"}]), failures.SERVER),
        (
            event(choices=[{"delta": {"content": "x"}}, {"error": {"code": 503}}]),
            failures.OVERLOADED,
        ),
        (event(choices=[{}], x_groq={"id": "r", "error": "m"}), failures.SERVER),
        (choice("error"), failures.SERVER),
        (choice("network_error"), failures.SERVER),
        (choice("insufficient_system_resource"), failures.OVERLOADED),
        (b"data: {half\n\n", failures.MALFORMED),
        (b"data: hello\n\n", failures.MALFORMED),
        (b"data: null\n\n", failures.MALFORMED),
        (b"data: 12\n\n", failures.MALFORMED),
        (b"data: \xff{}\n\n", failures.MALFORMED),
        (b"data: " + b'{"a":' * 50_000 + b"\n\n", failures.MALFORMED),
    ],
)
@pytest.mark.parametrize("after", ["nothing", "content"])
def test_an_error_is_seen_wherever_it_stands(
    told: bytes, failure: Failure, after: str
) -> None:
    before = ROLE + HELLO if after == "content" else ROLE
    begun = after == "content"

    for stream in (before + told + DONE, before + told, before + told + HELLO + STOP):
        seen = read(stream)
        assert seen == Stream(before, begun, failure, None)
        assert read(*stream.splitlines(keepends=True)) == seen


def test_what_follows_an_error_is_not_read() -> None:
    reader = PassThrough(MODEL)

    assert reader.feed(HELLO + error() + HELLO) == HELLO
    assert reader.feed(HELLO + STOP) == b""
    assert reader.close() == b""


@pytest.mark.parametrize(
    ("stream", "failure"),
    [
        (b"", failures.EARLY_END),
        (ROLE, failures.EARLY_END),
        (COMMENT * 3, failures.EARLY_END),
        (HELLO, failures.EARLY_END),
        (HELLO + HELLO[:20], failures.EARLY_END),
        (HELLO + STOP[:-10], failures.EARLY_END),
        (HELLO + choice(""), failures.EARLY_END),
        *((HELLO + STOP + HELLO[:end], failures.EARLY_END) for end in range(1, 20)),
        (HELLO + STOP + b"event: message\nda", failures.EARLY_END),
        (HELLO + STOP + b"\r\nid: 1\r\n", failures.EARLY_END),
        (b"Bad Gateway", failures.EARLY_END),
        (DONE, failures.EMPTY),
        (STOP + DONE, failures.EMPTY),
        (ROLE + choice("stop", content="") + DONE, failures.EMPTY),
        (b"data: [DONE]", failures.EMPTY),
        (b'{"error": {"message": "m", "code": 429}}', failures.RATE_LIMIT),
        (b' \n{"detail": "Invalid API Key"}\n', failures.AUTH),
    ],
)
def test_an_end_without_an_answer_is_a_failure(stream: bytes, failure: Failure) -> None:
    assert sliced(stream).failure is failure
    assert stream.startswith(sliced(stream).handed_on)


def test_half_an_event_at_the_end_is_not_handed_on() -> None:
    for end in range(1, len(HELLO) - 2):
        assert sliced(HELLO + STOP + HELLO[:end]).handed_on == HELLO + STOP


def test_an_endless_event_is_given_up() -> None:
    reader = PassThrough(MODEL)
    assert reader.feed(HELLO + b"data: {") == HELLO

    for _ in range(sse.MAX_EVENT // 1_000_000 + 1):
        assert reader.feed(b"x" * 1_000_000) == b""

    assert reader.failure is not None
    assert reader.failure.failure is failures.MALFORMED
    assert reader.feed(b"}\n\n" + HELLO) == reader.close() == b""


@pytest.mark.parametrize(
    "lines",
    [
        b": comment\r\n" * 100_000 + b"dat: x\r\n\r\n",
        b'data: {"choices"' + b'"choices"}' * 100_000 + b"x\n\n",
        b"data: {" * 100_000 + b"\n\n",
    ],
    ids=["comments", "choices", "braces"],
)
def test_judging_a_read_takes_time_in_proportion(lines: bytes) -> None:
    reader = PassThrough(MODEL)
    reader.feed(HELLO)

    assert reader.feed(lines) in (lines, b"")


@given(
    st.lists(
        st.sampled_from(
            [ROLE, HELLO, STOP, DONE, COMMENT, error(), b"data: {\n\n", b"\n", b"data"]
        ),
        max_size=8,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(0, 10_000), max_size=6),
)
def test_any_stream_is_the_same_however_it_is_cut(
    parts: list[bytes], end: bytes, places: list[int]
) -> None:
    stream = b"".join(parts).replace(b"\n", end)
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    reads = [stream[a:b] for a, b in itertools.pairwise(edges)]

    whole = read(stream)

    assert read(*reads) == whole
    assert stream.startswith(whole.handed_on)
    assert whole.failure or whole.begun


def test_what_looks_like_a_chunk_is_not_parsed_once_content_has_begun() -> None:
    garbage = b'data: {"choices": garbage}\n\n'

    assert sliced(HELLO + garbage + STOP).failure is None
    assert sliced(ROLE + garbage + HELLO + STOP).failure is failures.MALFORMED


TEXTS = ["", "Hi", "привет", "error", "usage", '\\"', '"', '":{', '","error":1', "\n\n"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(['"content":"', '"content": "', '"content":null,"a":"']),
            st.lists(st.sampled_from(TEXTS), max_size=3).map("".join),
            st.sampled_from(['"}}]}', '"}}],"usage":{}}', '":{}}]}', '"}}]', "}}]}"]),
        ),
        max_size=5,
    )
)
def test_what_came_before_changes_nothing_about_a_chunk(
    said: list[tuple[str, str, str]],
) -> None:
    chunks = [
        f'data: {{"choices":[{{"delta":{{{"".join(each)}\n\n'.encode() for each in said
    ]
    reader, forgetful = PassThrough(MODEL), PassThrough(MODEL)
    for each in (HELLO, *chunks):
        forgetful._before = b""

        assert reader.feed(each) == forgetful.feed(each)

        assert str(reader.failure) == str(forgetful.failure)
        assert reader.usage == forgetful.usage


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("error", '","a'),
        ("usage", '":{'),
        ("finish_reason", '":"stop'),
        ("Hi\n\nHi", ""),
    ],
)
def test_a_chunk_like_the_last_is_looked_at_for_what_its_text_makes_of_it(
    text: str, rest: str
) -> None:
    one, other = (
        b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % (each + rest).encode()
        for each in ("Hi", text)
    )
    reader = PassThrough(MODEL)
    reader.feed(HELLO)

    assert reader.feed(one) == one
    assert reader.failure is None
    assert reader.feed(other) == b""
    assert reader.failure is not None


@given(st.lists(st.binary(max_size=40) | st.sampled_from([HELLO, STOP]), max_size=6))
def test_no_bytes_are_a_surprise(reads: list[bytes]) -> None:
    assert b"".join(reads).startswith(read(*reads).handed_on)


# Usage

COUNTS = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


@pytest.mark.parametrize(
    "end",
    [
        STOP + event(choices=[], usage=COUNTS) + DONE,
        event(choices=[{"delta": {}, "finish_reason": "stop"}], usage=COUNTS) + DONE,
        STOP + event(choices=[], x_groq={"id": "r", "usage": COUNTS}) + DONE,
        STOP + event(choices=[], usage={"prompt_tokens": 1}) + event(usage=COUNTS),
        STOP + event(usage=COUNTS) + event(choices=[], usage=None) + DONE,
        event(choices=[], usage={"prompt_tokens": 1}) + STOP + event(usage=COUNTS),
        STOP + event(usage=COUNTS).replace(b'"usage": {', b'"usage" : {') + DONE,
        STOP + event(usage=COUNTS).replace(b", ", b",\ndata: ") + DONE,
    ],
)
def test_the_last_usage_of_a_stream_is_known(end: bytes) -> None:
    assert sliced(HELLO + end).usage == Usage(7, 5)
    assert read(HELLO, end).usage == Usage(7, 5)


def test_the_usage_of_an_answer_that_broke_off_is_known() -> None:
    assert sliced(HELLO + error("x", usage=COUNTS) + DONE).usage == Usage(7, 5)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ([1], None),
        ({"prompt_tokens": 3}, Usage(3, 0)),
        ({"prompt_tokens": -1, "completion_tokens": "x"}, Usage(0, 0)),
        ({"prompt_tokens": 1.5, "completion_tokens": 2}, Usage(0, 2)),
        ({"prompt_tokens": 10**400, "completion_tokens": 2}, Usage(0, 2)),
    ],
)
def test_strange_counts_are_no_counts(usage: object, expected: Usage | None) -> None:
    assert sliced(HELLO + STOP + event(choices=[], usage=usage)).usage == expected


# What claims to be a stream, by its head


def by_head(kind: str, body: bytes) -> tuple[bytes, UpstreamFailed | None]:
    head = UpstreamHead(200, {"content-type": kind} if kind else {})
    reader = ADAPTER.stream_reader(head, chat(), MODEL)
    handed_on = reader.feed(body[:5]) + reader.feed(body[5:]) + reader.close()
    assert reader.begun == (reader.failure is None)
    return handed_on, reader.failure


@pytest.mark.parametrize(
    "kind", ["text/event-stream", "text/event-stream; charset=utf-8", "", "text/plain"]
)
def test_anything_may_turn_out_to_be_a_stream(kind: str) -> None:
    stream = HELLO + STOP + DONE

    assert by_head(kind, stream) == (stream, None)


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (dialect.error("Slow down", 429), failures.RATE_LIMIT),
        (b'{"choices": [{"error": {"code": 503}}]}', failures.OVERLOADED),
        (dialect.completion(""), failures.EMPTY),
        (b"", failures.EMPTY),
        (b"{half", failures.MALFORMED),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=x"])
def test_json_that_is_no_answer_is_no_stream_either(
    body: bytes, failure: Failure, kind: str
) -> None:
    handed_on, failed = by_head(kind, body)

    assert handed_on == b""
    assert failed is not None
    assert failed.failure is failure


def test_endless_json_is_not_kept() -> None:
    head = UpstreamHead(200, {"content-type": "application/json"})
    reader = ADAPTER.stream_reader(head, chat(), MODEL)
    for piece in (b'{"choices": "', b"x" * sse.MAX_EVENT, b'"}'):
        assert reader.feed(piece) == b""

    assert reader.close() == b""
    assert reader.failure is not None
    assert reader.failure.failure is failures.MALFORMED


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8"])
def test_a_page_is_no_stream(kind: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        by_head(kind, b"")

    assert caught.value.failure is failures.MALFORMED


# Answers that are not streamed


def parsed(body: bytes, **headers: str) -> bytes:
    reply = ADAPTER.parse_response(UpstreamHead(200, headers), body, chat(), MODEL)
    return reply.body


def answer(finish: object = "stop", **message: Any) -> bytes:
    said = {"choices": [{"message": message, "finish_reason": finish}]}
    return json.dumps(said).encode()


@pytest.mark.parametrize(
    "body",
    [
        answer(content="Hello"),
        b"\n         \n\n    " + answer(content="Hello") + b"\n",
        b"\xef\xbb\xbf" + answer(content="Hello"),
        answer(content=None, refusal="no"),
        answer(content="", reasoning="hm"),
        answer(content=None, tool_calls=[{"id": "c"}]),
        answer(content=[{"type": "text", "text": "Hi"}]),
        answer("length", content=""),
        answer("content_filter"),
        answer("tool_calls", content=""),
        b'{"choices": [{"finish_reason": "content_filter"}]}',
        b'{"choices": [{"index": 0}, {"message": {"content": "b"}}]}',
        b'{"choices": [{"text": "Hi"}]}',
        b'{"choices": [{"delta": {"role": "a"}, "message": {"content": "x"}}]}',
        b'{"error": null, "choices": [{"message": {"content": "x"}}]}',
        b'{"message": "moved", "choices": [{"message": {"content": "x"}}]}',
    ],
)  # fmt: skip
def test_a_good_answer_is_handed_on_as_it_is(body: bytes) -> None:
    assert parsed(body) == body


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (b"", failures.EMPTY),
        (b" \n\n ", failures.EMPTY),
        (answer(content=""), failures.EMPTY),
        (answer(content=None, tool_calls=[]), failures.EMPTY),
        (answer(["stop"], role="assistant"), failures.EMPTY),
        (b'{"choices": []}', failures.EMPTY),
        (b'{"choices": null}', failures.EMPTY),
        (b'{"choices": {"0": 1}}', failures.EMPTY),
        (b"{}", failures.EMPTY),
        (b"{half", failures.MALFORMED),
        (b"<html>502</html>", failures.MALFORMED),
        (b'"Hello"', failures.MALFORMED),
        (b"null", failures.MALFORMED),
        (b"\xff\xfe", failures.MALFORMED),
        (b"[" * 100_000, failures.MALFORMED),
        (dialect.error("m", 429), failures.RATE_LIMIT),
        (dialect.error("m", "insufficient_quota"), failures.BILLING),
        (b'[{"error": {"code": 503, "message": "m"}}]', failures.OVERLOADED),
        (b'{"error": "Model is overloaded"}', failures.OVERLOADED),
        (b'{"object": "error", "message": "m", "code": 404}', failures.MISSING),
        (b'{"detail": "Invalid API Key"}', failures.AUTH),
        (b'{"status": 404, "message": "No such model"}', failures.MISSING),
        (
            b'{"success": false, "errors": [{"code": 10000, "message": "m"}]}',
            failures.SERVER,
        ),
        (b'{"choices": [{"error": {"code": 429}}]}', failures.RATE_LIMIT),
        (answer("error", content="half an ans"), failures.SERVER),
        (answer("insufficient_system_resource", content=""), failures.OVERLOADED),
    ],
)
def test_an_answer_that_is_none_is_a_failure(body: bytes, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        parsed(body)

    assert caught.value.failure is failure
    assert caught.value.model == "a"
    assert caught.value.message.startswith(f"a: {failure.said}")


def test_retry_after_on_a_200_says_nothing() -> None:
    """Hugging Face sends it with ordinary answers."""
    with pytest.raises(UpstreamFailed) as caught:
        parsed(dialect.error("m", 429), **{"retry-after": "36"})

    assert caught.value.retry_after is None


def test_an_error_names_the_status_it_came_with() -> None:
    head = UpstreamHead(429, {"retry-after": "3"})

    failed = ADAPTER.parse_error(head, dialect.error("Slow down"), MODEL)

    assert failed.failure is failures.RATE_LIMIT
    assert failed.retry_after == 3.0
    assert failed.detail == "429"
