"""What looks odd on the wire, and is an answer all the same."""

# ruff: noqa: E501 - the tables read better in rows
from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping

import attrs
import pytest

from tests.dialect import completion, event, stream
from tests.e2e.stage import PATIENT, at, staged
from tests.faults.script import (
    JSON,
    SSE,
    End,
    Script,
    chunk,
    chunked,
    head,
    promised,
    unframed,
    whole,
)
from tests.faults.test_cuts import SENT
from tests.faults.upstream import scripted
from tests.serving import run

WORDS = ["Once", " upon", " a\u20ac"]
EVENTS = stream(*WORDS)
PLAIN = b"".join(EVENTS)
AWHILE = attrs.evolve(PATIENT, silence=0.1)
CHUNKED = {"Transfer-Encoding": "chunked"}
ANSWER = completion("Hello")


def bytewise(data: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in data]


def compressed(coding: str, data: bytes) -> Script:
    return whole(data, 200, {**SSE, "Content-Encoding": coding})


LONG = event("long " * 2_000)
# The script, and what of it reaches the client.
STREAMS: Mapping[str, tuple[Script, bytes]] = {
    "each event in a packet": (chunked(EVENTS), PLAIN),
    "two events in a packet": (chunked([PLAIN[:200], PLAIN[200:]]), PLAIN),
    "all events in a packet": (chunked([PLAIN]), PLAIN),
    "a byte a chunk": (chunked(bytewise(SENT)), SENT),
    "a byte a packet": (unframed(bytewise(SENT)), SENT),
    "an event over a hundred packets": (
        chunked([LONG[at : at + 100] for at in range(0, len(LONG), 100)] + EVENTS[1:]),
        LONG + b"".join(EVENTS[1:]),
    ),
    "CRLF": (chunked([PLAIN.replace(b"\n", b"\r\n")]), PLAIN.replace(b"\n", b"\r\n")),
    "CR": (chunked([PLAIN.replace(b"\n", b"\r")]), PLAIN.replace(b"\n", b"\r")),
    "a BOM": (chunked([b"\xef\xbb\xbf" + PLAIN]), b"\xef\xbb\xbf" + PLAIN),
    "comments": (chunked([b": wait\n\n", *EVENTS]), b": wait\n\n" + PLAIN),
    "comments after content": (
        chunked([*EVENTS[:2], b": wait\n\n: still\n\n", *EVENTS[2:]]),
        b"".join([*EVENTS[:2], b": wait\n\n: still\n\n", *EVENTS[2:]]),
    ),
    "ids and retries": (chunked([b"id: 1\nretry: 5\n" + PLAIN]), b"id: 1\nretry: 5\n" + PLAIN),
    "no space after data": (chunked([PLAIN.replace(b"a: ", b"a:")]), PLAIN.replace(b"a: ", b"a:")),
    "no last blank line": (unframed([PLAIN.rstrip()]), PLAIN.rstrip()),
    "no [DONE]": (unframed(EVENTS[:-1]), b"".join(EVENTS[:-1])),
    "a length": (whole(PLAIN, 200, SSE), PLAIN),
    "no length": (unframed(EVENTS), PLAIN),
    "HTTP/1.0": ([b"HTTP/1.0 200 OK\r\n\r\n", PLAIN, End.CLOSE], PLAIN),
    "100 Continue before it": ([b"HTTP/1.1 100 Continue\r\n\r\n", *chunked(EVENTS)], PLAIN),
    "early hints before it": (
        [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", *chunked(EVENTS)],
        PLAIN,
    ),
    "extensions of chunks": (
        [head(200, {**SSE, **CHUNKED}), b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(PLAIN), PLAIN)],
        PLAIN,
    ),
    "trailers": (
        [head(200, {**SSE, **CHUNKED}), chunk(PLAIN), b"0\r\nX-Sum: 1\r\n\r\n"],
        PLAIN,
    ),
    "201": ([head(201, {**SSE, **CHUNKED}), chunk(PLAIN), b"0\r\n\r\n"], PLAIN),
    "silence after the end": (chunked([*EVENTS, End.HOLD]), PLAIN),
    "reset after the end": (chunked([*EVENTS, End.RESET]), PLAIN),
    "closed after the end": (promised(SSE, *EVENTS, End.CLOSE), PLAIN),
    "gzip": (compressed("gzip", gzip.compress(PLAIN)), PLAIN),
    "deflate": (compressed("deflate", zlib.compress(PLAIN)), PLAIN),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_however_it_comes(name: str) -> None:
    script, expected = STREAMS[name]

    async def test() -> None:
        async with (
            scripted(script) as upstream,
            staged(at(upstream.url, "p/a", patience=AWHILE)) as stage,
        ):
            reply = await stage.ask(model="p/a", stream=True)

            assert (reply.status, reply.body) == (200, expected)
            told = await stage.recorder.request()
            assert [attempt.outcome for attempt in told.attempts] == ["answered"]

    run(test)


WHOLE: Mapping[str, Script] = {
    "a length": whole(ANSWER),
    "a byte a chunk": chunked(bytewise(ANSWER), JSON),
    "a byte a packet": [head(200, {**JSON, "Content-Length": str(len(ANSWER))}), *bytewise(ANSWER)],
    "no length": unframed([ANSWER], JSON),
    "no type": whole(ANSWER, 200, {}),
    "a wrong type": whole(ANSWER, 200, {"Content-Type": "text/plain"}),
    "201": whole(ANSWER, 201),
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\n\r\n", ANSWER, End.CLOSE],
    "100 Continue before it": [b"HTTP/1.1 100 Continue\r\n\r\n", *whole(ANSWER)],
    "gzip": whole(gzip.compress(ANSWER), 200, {**JSON, "Content-Encoding": "gzip"}),
    "two members of gzip": whole(
        gzip.compress(ANSWER[:9]) + gzip.compress(ANSWER[9:]),
        200,
        {**JSON, "Content-Encoding": "gzip"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_read_however_it_comes(name: str) -> None:
    async def test() -> None:
        async with (
            scripted(WHOLE[name]) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask(model="p/a")

            assert (reply.status, reply.body) == (200, ANSWER)

    run(test)
