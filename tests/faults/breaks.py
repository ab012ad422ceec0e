"""Faults after the first content of a stream, when nothing can be undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests import dialect
from tests.dialect import DONE, error_event, event
from tests.faults.consequences import (
    EARLY_END,
    MALFORMED,
    RATE_LIMIT,
    SERVER,
    SILENCE,
    Consequence,
)
from tests.faults.refusals import INDISCREET
from tests.faults.script import (
    SSE,
    End,
    Script,
    Step,
    chunked,
    promised,
    unframed,
)

BEGUN = [event(), event("Once"), event(" upon")]
HALF = event(" a").rstrip()
BAD = event(" \xff").replace(b"\\u00ff", b"\xff\xfe")

BREAKS: Mapping[str, tuple[Consequence, Sequence[Step]]] = {
    "reset": (EARLY_END, [End.RESET]),
    "closed": (EARLY_END, [End.CLOSE]),
    "closed within an event": (EARLY_END, [b"data: {", End.CLOSE]),
    "closed within a name": (EARLY_END, [b"da", End.CLOSE]),
    "closed within a comment": (EARLY_END, [b": wai", End.CLOSE]),
    "closed before a blank line": (EARLY_END, [HALF, End.CLOSE]),
    "reset within an event": (EARLY_END, [b"data: {", End.RESET]),
    "ended": (EARLY_END, []),
    "ended within an event": (EARLY_END, [b"data: {"]),
    "ended within a name": (EARLY_END, [b"da"]),
    "ended within a comment": (EARLY_END, [b": wai"]),
    "ended before a blank line": (EARLY_END, [HALF]),
    "silent": (SILENCE, [End.HOLD]),
    "silent within an event": (SILENCE, [b"data: {", End.HOLD]),
    "error": (SERVER, [error_event(INDISCREET)]),
    "error and [DONE]": (SERVER, [error_event("oops"), DONE]),
    "error and silence": (SERVER, [error_event("oops"), End.HOLD]),
    "error and more": (SERVER, [error_event("oops"), *dialect.stream("Once")]),
    "error by name": (SERVER, [b'event: error\ndata: {"code": 1}\n\n', DONE]),
    "error with no event": (SERVER, [dialect.error("oops"), b"\n\n"]),
    "limit": (RATE_LIMIT, [error_event("slow down", 429), DONE]),
    "not JSON": (MALFORMED, [b"data: <html>\n\n"]),
    "bad UTF-8": (MALFORMED, [BAD]),
}

# Under each framing, beginning with what has been said, and a pause.
FRAMES: Mapping[str, Callable[[Sequence[Step]], Script]] = {
    "chunked": chunked,
    "unframed": unframed,
    "length": lambda steps: promised(SSE, *steps, End.CLOSE, length=99_999),
}
BROKEN_CHUNKS: Mapping[str, tuple[Consequence, Sequence[Step]]] = {
    "no chunk": (MALFORMED, [b"zz\r\n"]),
    "a chunk that is cut": (EARLY_END, [b"40\r\ndata: ", End.CLOSE]),
    "a chunk that is too long": (MALFORMED, [b"2\r\n: wait\n\n\r\n"]),
}
