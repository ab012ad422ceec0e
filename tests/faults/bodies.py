"""Faults below a 200: an error in disguise, no answer, or one that breaks off.

All come before the first content of a stream; what comes after it is in `breaks`.
"""

# ruff: noqa: E501 - the table reads better in rows
from __future__ import annotations

import gzip

from tests.dialect import DONE, completion, error, error_event, event
from tests.faults.consequences import (
    AUTH,
    BILLING,
    EARLY_END,
    EMPTY,
    FIRST_BYTE,
    MALFORMED,
    MODEL_FAULT,
    RATE_LIMIT,
    SERVER,
    SILENCE,
    TIMED_OUT,
)
from tests.faults.fault import Fault, Kinds, fault, limit
from tests.faults.refusals import HTML, INDISCREET
from tests.faults.script import (
    JSON,
    SSE,
    Drip,
    End,
    Script,
    chunked,
    head,
    promised,
    unframed,
    whole,
)

SLOW, SILENT = (TIMED_OUT, FIRST_BYTE), (TIMED_OUT, SILENCE)
CHUNKED = {"Transfer-Encoding": "chunked"}
GZIP = {"Content-Encoding": "gzip"}
ANSWER, ROLE = completion("Hello"), event()
ERROR_CHOICE = b'data: {"choices": [{"delta": {}, "error": {"code": 502}}]}\n\n'
BAD, BAD_EVENT = (
    made("Hell\xff").replace(b"\\u00ff", b"\xff\xfe") for made in (completion, event)
)
BOMB = gzip.compress(bytes(20_000_000))


def says(body: bytes, *events: bytes) -> tuple[Script, Script]:
    return whole(body), chunked(events)


def chunks(framed: bytes) -> tuple[Script, Script]:
    """A body in chunks, as they stand; then the connection is closed."""
    return (
        [head(200, {**JSON, **CHUNKED}), framed, End.CLOSE],
        [head(200, {**SSE, **CHUNKED}), framed, End.CLOSE],
    )


def packed(body: bytes, events: bytes) -> tuple[Script, Script]:
    """A body that is compressed, or said to be."""
    return whole(body, 200, {**JSON, **GZIP}), whole(events, 200, {**SSE, **GZIP})


def cut_off(name: str, end: End, kinds: Kinds, unmarked: Kinds) -> list[Fault]:
    """The same under each framing; where only a close marks the end, it is another."""
    return [
        fault(
            f"{name}, of a length",
            kinds,
            promised(JSON, ANSWER, end),
            promised(SSE, ROLE, end),
        ),
        fault(
            f"{name}, in chunks",
            kinds,
            chunked([ANSWER, end], JSON),
            chunked([ROLE, end]),
        ),
        fault(
            f"{name}, length unknown",
            unmarked,
            unframed([ANSWER[:-2], end], JSON),
            unframed([ROLE, end]),
        ),
    ]


# fmt: off
BREAKING = [
    *cut_off("closed before content", End.CLOSE, EARLY_END, (MALFORMED, EARLY_END)),
    *cut_off("reset before content", End.RESET, EARLY_END, EARLY_END),
    *cut_off("silent before content", End.HOLD, SILENT, SILENT),
    fault("closed after the head", EARLY_END, promised(JSON, End.CLOSE), promised(SSE, End.CLOSE)),
    fault("reset after the head", EARLY_END, promised(JSON, End.RESET), promised(SSE, End.RESET)),
    fault("silent after the head", SILENT, promised(JSON, End.HOLD), promised(SSE, End.HOLD)),
    fault("only comments, and silence", SILENT, chunked([b" " * 9, End.HOLD], JSON), chunked([b": wait\n\n", ROLE, End.HOLD])),
    fault("a body byte by byte", SLOW, promised(JSON, Drip(ANSWER)), promised(SSE, Drip(event() + event("Hello")))),
    fault("spaces byte by byte", SLOW, promised(JSON, Drip(b" " * 500)), promised(SSE, Drip(b":\n\n" * 200))),
    fault("chunks byte by byte", SLOW, [head(200, {**JSON, **CHUNKED}), Drip(b"1\r\n \r\n" * 99)], [head(200, {**SSE, **CHUNKED}), Drip(b"1\r\n:\r\n" * 99)]),
    fault("chunks that are none", MALFORMED, *chunks(b"zz\r\n{}")),
    fault("a chunk that is cut", EARLY_END, *chunks(b"40\r\n{}")),
    fault("a chunk that is too long", MALFORMED, *chunks(b"2\r\n{} \r\n0\r\n\r\n")),
    fault("a chunk of a negative size", MALFORMED, *chunks(b"-2\r\n{}\r\n0\r\n\r\n")),
    fault("a chunk of an absurd size", MALFORMED, *chunks(b"f" * 20 + b"\r\n{}")),
    fault("no last chunk", EARLY_END, *chunks(b"2\r\n{}\r\n")),
    fault("a last chunk that is cut", EARLY_END, *chunks(b"2\r\n{}\r\n0\r\n")),
    fault("a chunk's extension without end", MALFORMED, *chunks(b"2;" + b"a" * 40_000)),
    fault("trailers without end", MALFORMED, *chunks(b"2\r\n{}\r\n0\r\n" + b"X-A: a\r\n" * 9_000)),
    fault("a length that is too short", (MALFORMED, EARLY_END), promised(JSON, ANSWER, length=9), promised(SSE, event("Hello"), length=9)),
    fault("a gzip bomb", MALFORMED, *packed(BOMB, BOMB)),
    fault("gzip that is none", MALFORMED, *packed(ANSWER, ROLE)),
    fault("gzip that is cut", EARLY_END, *packed(gzip.compress(ANSWER)[:-5], gzip.compress(ROLE)[:-5])),
    fault("a coding nobody asked for", MALFORMED, whole(ANSWER, 200, {**JSON, "Content-Encoding": "br"}), whole(ROLE, 200, {**SSE, "Content-Encoding": "br"})),
]

DISGUISED = [
    fault("error in a 200", SERVER, *says(error(INDISCREET), error_event(INDISCREET))),
    fault("error and [DONE]", SERVER, *says(error("oops"), error_event("oops"), DONE)),
    fault("error after the role", SERVER, *says(error("oops"), ROLE, error_event("oops"), DONE)),
    fault("error, and silence", SERVER, whole(error("oops")), chunked([error_event("oops"), End.HOLD])),
    fault("error, and an answer", SERVER, *says(error("oops"), error_event("oops"), event("Hello"), event(finish="stop"), DONE)),
    fault("error by name", SERVER, *says(error("oops"), b"event: error\n" + error_event("oops"))),
    fault("error in a choice", SERVER, *says(completion("", "error"), ROLE, ERROR_CHOICE)),
    fault("error in an array", SERVER, *says(b"[%b]" % error("oops"), b"data: [%b]\n\n" % error("oops"))),
    fault("JSON error where a stream was due", SERVER, whole(error("oops"))),
    fault("JSON error in a stream, with no event", SERVER, *says(error("oops"), error("oops"))),
    fault("502 in a 200", SERVER, *says(error("down", 502), error_event("down", 502))),
    fault("401 in a 200", AUTH, whole(error("no", 401))),
    fault("402 in a 200", BILLING, whole(error("no", 402))),
    limit("429 in a 200", RATE_LIMIT, whole(error("slow down", 429)), 1.0),
    fault("an invalid call", MODEL_FAULT, *says(error("", "tool_use_failed"), error_event("", "tool_use_failed"))),
    fault("a web page", MALFORMED, whole(b"<html></html>", 200, HTML)),
]

EMPTIED = [
    fault("no body", (EMPTY, EARLY_END), *says(b"")),
    fault("204", EMPTY, [head(204)]),
    fault("blank lines", (EMPTY, EARLY_END), *says(b"\n\n  \n", b"\n\n", b": done\n\n")),
    fault("only the end", EMPTY, *says(b"{}", DONE)),
    fault("no choices", EMPTY, *says(b'{"choices": []}', b'data: {"choices": []}\n\n', DONE)),
    fault("no content", EMPTY, *says(completion(None), ROLE, event(None, "stop"), DONE)),
    fault("empty content", EMPTY, *says(completion(""), event(""), event("", "stop"), DONE)),
    fault("not JSON", MALFORMED, *says(b"<html>welcome</html>", b"data: <html>\n\n", DONE)),
    fault("no object", SERVER, *says(b"[1]", b"data: [1]\n\n", DONE)),
    fault("half a JSON", MALFORMED, *says(ANSWER[:-9], event("Hi")[:-9], b"\n\n")),
    fault("JSON, and more", MALFORMED, *says(ANSWER + b"}", event("Hi")[:-2] + b"}\n\n")),
    fault("bad UTF-8", MALFORMED, *says(BAD, BAD_EVENT)),
    fault("no events", (MALFORMED, EARLY_END), *says(b"Hello", b"Hello, how can I help?")),
    fault("much, and no content", (EMPTY, MALFORMED), whole(b" " * 2_000_000), unframed([b":%b\n\n" % (b" " * 2_000) * 1_000])),
]
# fmt: on

BODIES = [*BREAKING, *DISGUISED, *EMPTIED]
