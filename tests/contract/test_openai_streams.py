"""The checks of OpenAI's streams: whole chunks, in order, and one end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tproxy.contract.openai import DONE, check_broken_stream, check_stream
from tproxy.contract.shape import Violation

CALL: dict[str, Any] = {"id": "c1", "type": "function"}
CALL["function"] = {"name": "f", "arguments": ""}
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {**head, "choices": [choice], **more}


def stream(*chunks: object, end: bytes = DONE) -> bytes:
    return b"".join(b"data: %b\n\n" % encoded(each) for each in chunks) + end


def calls(index: int, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **more}]}


HI = chunk({"role": "assistant", "content": "Hi"})
STOP = chunk(finish="stop")
TOLD = [
    chunk({"role": "assistant", "content": "Hi"}, usage=None),
    chunk(finish="stop", usage=None),
]
COUNT = chunk(choices=[], usage=USAGE)
CALLING = chunk({"role": "assistant", **calls(0, **CALL)})
MORE = chunk(calls(0, function={"arguments": "{}"}))
CALLED = chunk(finish="tool_calls")


def test_a_stream_is_put_together() -> None:
    told = check_stream(stream(CALLING, MORE, CALLED), usage=False)
    counted = check_stream(stream(*TOLD, COUNT), usage=True)

    [choice] = told.choices
    assert [(c.id, c.name, c.arguments) for c in choice.calls] == [("c1", "f", "{}")]
    assert choice.finish == "tool_calls"
    assert counted.usage == USAGE
    assert counted.choices[0].text == "Hi"


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (stream(HI, STOP, end=b""), "does not end with [DONE]"),
        (stream(HI, STOP) + DONE, "and not at the end"),
        (DONE, "has no choice"),
        (stream(HI), "has no finish reason"),
        (stream(chunk({"content": "Hi"}), STOP), "is the first and has no role"),
        (stream(HI, HI, STOP), "has a role, and is not the first"),
        (stream(HI, STOP, STOP), "comes after the finish reason"),
        (stream(HI, STOP, MORE), "comes after the finish reason"),
        (stream(chunk({"role": "assistant"}), STOP), "says nothing"),
        (stream(HI, CALLED), "calls no tools"),
        (stream(CALLING, MORE, STOP), "the finish reason does not say so"),
        (stream(CALLING, CALLED), "has arguments of no object"),
        (stream(CALLING, CALLING, CALLED), "has a role, and is not the first"),
        (
            stream(CALLING, chunk(calls(0, id="c1", function={})), CALLED),
            "tells its id, type or name once more",
        ),
        (
            stream(CALLING, chunk(calls(2, **CALL)), CALLED),
            "leaves one out",
        ),
        (
            stream(HI, chunk(calls(0, function={"arguments": ""}))),
            "is missing at its beginning",
        ),
        (stream(HI, chunk({"content": "x"}, id="d"), STOP), "changes on the way"),
        (stream(HI, chunk({"content": "x"}, model="n"), STOP), "changes on the way"),
        (stream(*TOLD, COUNT, COUNT), "comes after the usage"),
        (stream(TOLD[0], COUNT, TOLD[1]), "before the last finish reason"),
        (stream(HI, STOP, COUNT), "is in some chunks, and not in others"),
        (stream(HI, STOP, chunk(choices=[])), "has neither choices nor usage"),
        (stream(HI, chunk(finish="stop", usage=USAGE)), "in some chunks"),
        (stream(chunk({"content": "x"}, finish="end")), "finish_reason: is not"),
        (stream({"error": {"message": "x"}}), "is missing"),
        (b": ping\n\n" + stream(HI, STOP), "is not one line of data"),
        (b"event: x\n" + stream(HI, STOP), "is not one line of data"),
        (stream(HI, STOP).replace(b"\n", b"\r\n"), "does not end with [DONE]"),
        (b'data: {"a": NaN}\n\n' + DONE, "is no JSON"),
    ],
)
def test_a_stream_with_one_thing_wrong_is_found(raw: bytes, problem: str) -> None:
    check_stream(stream(HI, STOP))

    with pytest.raises(Violation) as caught:
        check_stream(raw)
    assert problem in str(caught.value)


def test_usage_is_told_to_those_who_asked_and_to_nobody_else() -> None:
    with pytest.raises(Violation, match="does not tell its usage"):
        check_stream(stream(HI, STOP), usage=True)
    with pytest.raises(Violation, match="nobody asked for"):
        check_stream(stream(*TOLD, COUNT), usage=False)


def test_a_stream_that_broke_off_has_whole_chunks_and_no_end() -> None:
    assert check_broken_stream(b"").choices == ()
    assert check_broken_stream(stream(HI, end=b"")).choices[0].text == "Hi"
    for raw in (stream(HI), stream(HI, end=b'data: {"id"'), stream(HI, HI, end=b"")):
        with pytest.raises(Violation):
            check_broken_stream(raw)
