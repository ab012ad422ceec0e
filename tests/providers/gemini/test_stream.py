from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.providers.gemini.models import model
from tests.providers.gemini.test_answer import CALL, PICTURE, candidate, sound
from tproxy.contract import openai, outcome
from tproxy.contract.outcome import Outcome
from tproxy.core.sse import MAX_EVENT
from tproxy.core.upstream import UpstreamHead, Usage
from tproxy.providers.gemini import DIALECT

MODEL = model()
EVENTS = UpstreamHead(200, {"content-type": "text/event-stream"})
JSON = UpstreamHead(200, {"content-type": "application/json; charset=UTF-8"})


def event(*candidates: object, **more: object) -> bytes:
    said = {"candidates": candidates, **more} if candidates else more
    return b"data: %b\r\n\r\n" % json.dumps(said).encode()


def text(*words: str, finish: str | None = None, **more: object) -> bytes:
    parts = [{"text": word} for word in words]
    return event(candidate(*parts, finish=finish), **more)


def in_array(*events: bytes) -> bytes:
    """The same as Gemini says it without `alt=sse`."""
    values = [json.loads(one.removeprefix(b"data: ")) for one in events]
    spelled = [json.dumps(value, indent=2).encode() for value in values]
    return b"[" + b"\n,\r\n".join(spelled) + b"\n]"


def fed(*reads: bytes, head: UpstreamHead = EVENTS, usage: bool = False) -> Outcome:
    return outcome.fed(DIALECT, head, reads, MODEL, usage=usage)


def read(*events: bytes) -> Outcome:
    """Read it as events and as an array, whole and byte by byte: all are the same."""
    whole = fed(*events, usage=True)
    raw = b"".join(events)
    assert fed(*(raw[at : at + 1] for at in range(len(raw))), usage=True) == whole
    raw = in_array(*events)
    assert fed(raw, head=JSON, usage=True) == whole
    single = (raw[at : at + 1] for at in range(len(raw)))
    assert fed(*single, head=JSON, usage=True) == whole
    return whole


def said(*events: bytes) -> openai.Stream:
    found = read(*events)
    assert found.failure is None, found.failure.detail
    return openai.check_stream(found.output)


def test_the_last_event_counts() -> None:
    stream = said(
        text("a", finish="STOP", usageMetadata={"promptTokenCount": 1}),
        text("b", finish="STOP", usageMetadata={"promptTokenCount": 2}),
        event(usageMetadata={"promptTokenCount": 3}),
        text(finish="MAX_TOKENS"),
    )

    [spoken] = stream.choices
    assert (spoken.text, spoken.finish) == ("ab", "length")
    assert stream.usage is not None
    assert stream.usage["prompt_tokens"] == 3


def test_a_reason_to_finish_stays() -> None:
    stream = said(text("a", finish="MAX_TOKENS"), text("b"), event(usageMetadata={}))

    assert stream.choices[0].finish == "length"


def test_each_word_leaves_when_it_comes() -> None:
    reader = DIALECT.chat.stream_reader(EVENTS, outcome.asked(stream=True), MODEL)

    assert b'"a"' in reader.feed(text("a"))
    assert reader.begun
    assert b'"b"' in reader.feed(text("b"))


def test_a_call_comes_before_its_finish_reason() -> None:
    signed = {**CALL, "thoughtSignature": "s"}

    stream = said(
        event(candidate({"text": "hm", "thought": True}, finish=None), responseId="R"),
        event(candidate(signed, finish=None), responseId="R"),
        event(candidate(CALL, finish=None), responseId="R"),
        text("", finish="STOP", responseId="R"),
    )

    [spoken] = stream.choices
    assert (spoken.reasoning, spoken.finish) == ("hm", "tool_calls")
    assert [call.id for call in spoken.calls] == ["call_R_0", "call_R_1"]
    assert [call.extra for call in spoken.calls] == [
        {"google": {"thought_signature": "s"}},
        {},
    ]


def test_an_id_is_the_same_whether_streamed_or_not() -> None:
    one = candidate(CALL, CALL)
    body = json.dumps({"candidates": [one], "responseId": "R"}).encode()
    whole = outcome.answered(DIALECT, JSON, body, MODEL)

    calls = json.loads(whole.output)["choices"][0]["message"]["tool_calls"]

    [spoken] = said(event(one, responseId="R")).choices
    assert [call.id for call in spoken.calls] == [call["id"] for call in calls]


def signed(signature: str, words: str = "") -> bytes:
    part = {"text": words, "thoughtSignature": signature}
    return event(candidate(part, finish=None))


def test_a_signature_without_words_is_no_answer() -> None:
    assert read(signed("s"), text(finish="STOP")).verdict == "empty"


def test_of_all_signatures_the_last_is_told_and_once() -> None:
    told = b'"delta":{"extra_content":{"google":{"thought_signature":"c"}}}'
    found = read(signed("a", "x"), signed("b"), signed("c"), text("y", finish="STOP"))

    assert openai.check_stream(found.output).choices[0].text == "xy"
    assert found.output.count(b"thought_signature") == found.output.count(told) == 1


def test_a_picture_is_beside_the_text() -> None:
    found = read(event(candidate(PICTURE)))

    assert found.begun
    assert openai.check_stream(found.output).choices[0].finish == "stop"
    assert b'"images":[{"type":"image_url","image_url":{"url":"data:image/png' in (
        found.output
    )


def test_pictures_are_numbered_through_all_of_the_stream() -> None:
    found = read(event(candidate(PICTURE, PICTURE)), event(candidate(PICTURE)))

    assert re.findall(rb'"index":(\d)}', found.output) == [b"0", b"1", b"2"]


def test_a_sound_is_told_piece_by_piece() -> None:
    pieces = [event(candidate(sound(data), finish=None)) for data in ("AAAA", "AQ==")]

    found = read(*pieces, text(finish="STOP"))

    openai.check_stream(found.output)
    lines = [json.loads(line[6:]) for line in found.output.splitlines()[:-2:2]]
    deltas = [line["choices"][0]["delta"] for line in lines[:2]]
    assert [delta["audio"]["data"] for delta in deltas] == ["AAAA", "AQ=="]
    assert deltas[1].keys() == {"audio"}
    assert deltas[1]["audio"].keys() == {"data"}


def test_choices_are_numbered_as_they_begin() -> None:
    stream = said(
        event(candidate(finish=None, index=0)),
        event(candidate({"text": "b"}, finish="STOP", index=1)),
        event(candidate({"text": "a"}, finish="MAX_TOKENS", index=0)),
    )

    assert [(c.text, c.finish) for c in stream.choices] == [
        ("b", "stop"),
        ("a", "length"),
    ]


@pytest.mark.parametrize("reason", ["SAFETY", "MAX_TOKENS", "RECITATION"])
def test_silence_with_a_reason_is_honest(reason: str) -> None:
    stream = said(text(finish=reason))

    assert stream.choices[0].finish in ("content_filter", "length")


def test_blank_lines_may_get_lost() -> None:
    raw = text("a") + text("b") + text("c", finish="STOP")

    whole = fed(raw)

    assert fed(re.sub(rb"(?:\r\n)+", b"\n", raw)) == whole
    assert whole.failure is None


def test_a_gateway_may_add_an_end_mark() -> None:
    raw = text("a") + text("b", finish="STOP")

    assert fed(raw + b"data: [DONE]\r\n\r\n") == fed(raw)
    assert fed(text("a") + b"data: [DONE]\n\n").verdict == "early_end"


def test_a_client_that_asks_for_no_usage_gets_none() -> None:
    found = fed(text("a", finish="STOP", usageMetadata={"promptTokenCount": 3}))

    assert found.usage == Usage(3, 0)
    assert b"usage" not in found.output


# Streams that go wrong


@pytest.mark.parametrize(
    ("stream", "row", "begun"),
    [
        ((text("a"),), "early_end", True),
        ((event(usageMetadata={}),), "early_end", False),
        ((event(),), "early_end", False),
        ((text("", finish="STOP"),), "empty", False),
        ((text("", finish="OTHER"),), "empty", False),
        (
            (event(candidate({"text": "a"}, index=1)), event(candidate(finish=None))),
            "early_end",
            True,
        ),
        (
            (text("a", finish="STOP"), event(candidate(finish="STOP", index=1))),
            "empty",
            True,
        ),
        ((event(promptFeedback={"blockReason": "SAFETY"}),), "filtered", False),
        ((text("a"), text(finish="MALFORMED_FUNCTION_CALL")), "model_fault", True),
        ((event(error={"code": 429, "message": "slow"}),), "rate_limit", False),
        ((text("a"), event(error={"code": 503})), "overloaded", True),
        ((text("a"), event(candidate(1))), "malformed", True),
    ],
)
def test_a_stream_that_goes_wrong_is_a_failure(
    stream: tuple[bytes, ...], row: str, begun: bool
) -> None:
    found = read(*stream)

    assert (found.verdict, found.begun) == (row, begun)
    assert b"[DONE]" not in found.output


def test_no_stream_has_candidates_or_calls_without_end() -> None:
    many = [event(candidate({"text": "a"}, index=n)) for n in range(129)]
    calls = [event(candidate(*[CALL] * 100))] * 11

    assert fed(*many).verdict == "malformed"
    assert fed(*calls).verdict == "malformed"


def test_a_page_is_no_stream() -> None:
    for kind in ("text/html; charset=utf-8", "application/xml"):
        head = UpstreamHead(200, {"content-type": kind})
        assert fed(text("a", finish="STOP"), head=head).verdict == "malformed"


# Arrays


def array(raw: bytes) -> Outcome:
    whole = fed(raw, head=JSON)
    assert fed(*(raw[at : at + 1] for at in range(len(raw))), head=JSON) == whole
    for at in range(len(raw)):
        assert fed(raw[:at], raw[at:], head=JSON) == whole
    return whole


SPOKEN = json.dumps({"candidates": [candidate({"text": 'a{"\\}é\\'}, finish="STOP")]})


@pytest.mark.parametrize(
    "raw", [f"[{SPOKEN}]", SPOKEN, f"\ufeff [\r\n{SPOKEN}\n,\r\n]\r\n", f"[{SPOKEN}"]
)
def test_an_array_or_an_object_is_read_like_events(raw: str) -> None:
    found = array(raw.encode())

    assert found.failure is None
    [spoken] = openai.check_stream(found.output).choices
    assert spoken.text == 'a{"\\}é\\'


@pytest.mark.parametrize(
    ("raw", "row"),
    [
        ("", "early_end"),
        ("[]", "early_end"),
        ("[1]", "malformed"),
        ('["x"]', "malformed"),
        ("}", "malformed"),
        (f"[{SPOKEN}, 1]", "malformed"),
        (f"oops {SPOKEN}", "malformed"),
        (f"[{SPOKEN[:-2]}", "early_end"),
        (f"[{SPOKEN},{SPOKEN[:40]}", "early_end"),
        ('{"error": {"code": 503, "message": "x"}}', "overloaded"),
        ('[{"error": {"code": 429, "message": "x"}}]', "rate_limit"),
        ("{broken}", "malformed"),
    ],
)
def test_any_other_json_is_a_failure(raw: str, row: str) -> None:
    assert array(raw.encode()).verdict == row


def test_an_element_does_not_go_on_for_ever() -> None:
    piece = b'[{"a": "' + b"x" * 1_000_000
    reads = [piece, *[b"x" * 1_000_000] * (MAX_EVENT // 1_000_000)]

    assert fed(*reads, head=JSON).verdict == "malformed"


def test_what_follows_a_failure_is_not_read() -> None:
    reader: Any = DIALECT.chat.stream_reader(JSON, outcome.asked(stream=True), MODEL)

    assert reader.feed(b'[{"error": {"code": 503}},' + SPOKEN.encode()) == b""
    assert reader.feed(SPOKEN.encode()) == b""
    assert reader.close() == b""
    assert not reader.begun
