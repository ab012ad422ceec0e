"""Cut at every byte: what a client has is a beginning of the answer, and only once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping

import pytest

from tests.clocks import FakeClock
from tests.dialect import DONE, error_event, event, stream
from tests.e2e.stage import at, events, said, staged
from tests.faults.laboratory import discreet, good
from tests.faults.script import (
    JSON,
    SSE,
    End,
    Headers,
    Script,
    Step,
    chunked,
    raw,
    unframed,
    whole,
)
from tests.faults.upstream import scripted
from tests.serving import run

# Few bytes, but one of each: line ends, a comment, letters of one to four bytes.
TERSE = [
    b'data: {"choices":[{"delta":{"content":"\xc3\xa9 "}}]}\r\n\r\n',
    b": wait\n\n",
    b'data: {"choices":[{"delta":{"content":"\xe2\x82\xac\xf0\x9f\x90\x87"}}]}\n\n',
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    DONE,
]
SENT = b"".join(TERSE)
FINISHED = b"".join(TERSE[:-1]).rstrip()  # some leave the last blank line out
WORDS = ["Once", " upon", " a", " time", " in", " Ghent"]

Frame = Callable[[bytes, Headers], bytes]
FRAMES: Mapping[str, Frame] = {
    "sized": lambda body, kind: raw(whole(body, 200, kind)),
    "chunked": lambda body, kind: raw(chunked([body[:40], body[40:]], kind)),
    "unframed": lambda body, kind: raw(unframed([body], kind)),
}
framed = pytest.mark.parametrize("frame", FRAMES)
ends = pytest.mark.parametrize(
    ("end", "stride"), [(End.CLOSE, 1), (End.RESET, 7)], ids=["closed", "reset"]
)


def text(body: bytes) -> str:
    """All the content a client sees."""
    chunks = [json.loads(data) for data in events(body) if data != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


@framed
@ends
def test_a_stream_may_be_cut_anywhere(frame: str, end: End, stride: int) -> None:
    wire = FRAMES[frame](SENT, SSE)
    cuts = [wire[:length] for length in range(1, len(wire), stride)]
    scripts: list[Script] = [[cut, end] for cut in cuts]

    async def test() -> None:
        async with (
            scripted(*scripts) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            for cut in cuts:
                reply = await stage.ask(model="p/a", stream=True)

                if reply.status != 200:
                    assert reply.error["type"] == "upstream_error"
                    assert TERSE[0] not in cut or end is End.RESET
                    continue
                assert text(SENT).startswith(text(reply.body))
                *before, last = events(reply.body)
                assert not any("error" in data for data in before)
                is_whole = DONE in reply.body
                if not is_whole and frame == "unframed" and FINISHED in cut:
                    continue  # whether it was to go on, nobody knows
                assert ("error" in last) is not is_whole
            assert len(upstream.asked) == len(cuts)
            discreet(stage)

    run(test, 30.0)


@framed
@ends
def test_so_may_a_whole_answer(frame: str, end: End, stride: int) -> None:
    """All of it comes, or none."""
    answer = '{"choices":[{"message":{"content":"é€"}}]}'
    wire = FRAMES[frame](answer.encode(), JSON)
    cuts = [wire[:length] for length in range(1, len(wire), stride)]
    scripts: list[Script] = [[cut, end] for cut in cuts]

    async def test() -> None:
        async with (
            scripted(*scripts) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            for _ in cuts:
                reply = await stage.ask(model="p/a")

                assert reply.status == 502
                assert reply.error["code"] == "upstream_error"
            assert len(upstream.asked) == len(cuts)
            discreet(stage)

    run(test, 30.0)


BREAKS: Mapping[str, list[Step]] = {
    "error": [error_event("oops")],
    "error and [DONE]": [error_event("oops"), DONE],
    "error and more": [error_event("oops"), *stream(*WORDS)],
    "closed": [End.CLOSE],
    "reset": [End.RESET],
    "ended": [],
    "garbage": [b"data: {]\n\n", *stream(*WORDS)],
}


@pytest.mark.parametrize("name", BREAKS)
def test_an_error_may_come_after_any_word(name: str) -> None:
    """What has been said is not said again, by nobody."""

    async def test() -> None:
        seen = [asyncio.Event() for _ in WORDS]
        begun: list[Script] = [
            [event(), *map(event, WORDS[: count + 1]), each]
            for count, each in enumerate(seen)
        ]
        async with (
            scripted(*[chunked([*each, *BREAKS[name]]) for each in begun]) as upstream,
            scripted(good(True)) as second,
            staged(
                at(upstream.url, "p/a", 1), at(second.url, "q/b", 2), clock=FakeClock()
            ) as stage,
        ):
            for count, each in enumerate(seen, 1):
                called = "SMALL" if count < 5 else "p/a"  # which rests by then
                async with stage.calling(said(model=called, stream=True)) as call:
                    await call.until(event(WORDS[count - 1]))
                    each.set()
                    reply = await call.rest()

                assert text(reply.body) == "".join(WORDS[:count])
                assert reply.body.count(b'"error"') == 1
                assert b"[DONE]" not in reply.body
            assert second.asked == []
            discreet(stage)

    run(test)


@pytest.mark.parametrize("name", BREAKS)
def test_before_the_first_word_another_is_asked(name: str) -> None:
    async def test() -> None:
        async with (
            scripted(chunked([event(), b": wait\n\n", *BREAKS[name]])) as upstream,
            scripted(good(True)) as second,
            staged(at(upstream.url, "p/a", 1), at(second.url, "q/b", 2)) as stage,
        ):
            reply = await stage.ask(stream=True)

            assert reply.body == b"".join(stream("Hello"))
            assert (len(upstream.asked), len(second.asked)) == (1, 1)

    run(test)
