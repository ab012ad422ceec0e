"""Faults before there is a usable head: nobody there, no answer, or no HTTP."""

# ruff: noqa: E501 - the table reads better in rows
from __future__ import annotations

from tests.dialect import completion, event
from tests.faults.consequences import (
    FIRST_BYTE,
    LOST,
    MALFORMED,
    NO_CONNECT,
    TIMED_OUT,
    TLS,
    UNREACHABLE,
    UNRESOLVED,
)
from tests.faults.fault import Place, fault, unreached
from tests.faults.script import JSON, SSE, Drip, End, Script, head

SLOW = (TIMED_OUT, FIRST_BYTE)  # an answer in one piece is bounded as a whole
OK = b"HTTP/1.1 200 OK\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HELLO = b"\x16\x03\x03\x40\x00"  # begins a handshake record of 16 KiB
GARBAGE = bytes(range(1, 256)) * 2


def heads(*lines: bytes) -> tuple[Script, Script]:
    """A good answer below these lines of its head."""
    top = OK + b"".join(b"%b\r\n" % line for line in lines)
    kind = b"Content-Type: %b\r\n\r\n"
    return (
        [top + kind % b"application/json" + completion("Hello"), End.CLOSE],
        [top + kind % b"text/event-stream" + event("Hello"), End.CLOSE],
    )


# fmt: off
CONNECTING = [
    unreached(Place.REFUSED, UNREACHABLE),
    unreached(Place.UNNAMED, UNRESOLVED),
    unreached(Place.DEAF, NO_CONNECT),
    unreached(Place.UNTRUSTED, TLS),
    unreached(Place.SECURED, TLS, "no TLS, but HTTP", [b"HTTP/1.1 400 Bad Request\r\n\r\n", End.CLOSE]),
    unreached(Place.SECURED, TLS, "no TLS, but garbage", [GARBAGE, End.CLOSE]),
    unreached(Place.SECURED, NO_CONNECT, "a handshake that does not begin", [End.HOLD]),
    unreached(Place.SECURED, NO_CONNECT, "a handshake byte by byte", [HELLO, Drip(bytes(500))]),
    unreached(Place.SECURED, TLS, "closed in the handshake", [HELLO, End.CLOSE]),
    unreached(Place.SECURED, TLS, "reset in the handshake", [HELLO, End.RESET]),
    unreached(Place.THERE, LOST, "closed when accepted", [End.CLOSE]),
    unreached(Place.THERE, LOST, "reset when accepted", [End.RESET]),
]

BEGINNING = [
    fault("closed when asked", LOST, [End.CLOSE]),
    fault("reset when asked", LOST, [End.RESET]),
    fault("closed within the head", LOST, [OK + b"Content-", End.CLOSE]),
    fault("reset within the head", LOST, [OK + b"Content-", End.RESET]),
    fault("closed after 100 Continue", LOST, [CONTINUE, End.CLOSE]),
    fault("silent", SLOW, [End.HOLD]),
    fault("silent within the head", SLOW, [OK, End.HOLD]),
    fault("silent after 100 Continue", SLOW, [CONTINUE, End.HOLD]),
    fault("a head byte by byte", SLOW, [Drip(head(200, JSON))], [Drip(head(200, SSE))]),
    fault("a head without end, byte by byte", SLOW, [OK + b"X-A: ", Drip(b"a" * 500)]),
    fault("garbage", MALFORMED, [GARBAGE, End.CLOSE]),
    fault("another protocol's banner", MALFORMED, [b"SSH-2.0-OpenSSH_9.6\r\n", End.HOLD]),
    fault("no head, but a body", MALFORMED, [completion("Hello"), End.CLOSE]),
    fault("HTTP/2", MALFORMED, [b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", End.CLOSE]),
    fault("a version nobody asked for", MALFORMED, [b"HTTP/3.0 200 OK\r\n\r\n", End.CLOSE]),
    fault("another protocol offered", MALFORMED, [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", End.HOLD]),
    fault("100 Continue without end", MALFORMED, [CONTINUE * 20, End.HOLD]),
    fault("a head without end", MALFORMED, [OK + b"X-A: a\r\n" * 10_000, End.HOLD]),
    fault("a header without end", MALFORMED, [OK + b"X-A: " + b"a" * 70_000, End.HOLD]),
    fault("two lengths", MALFORMED, *heads(b"Content-Length: 5", b"Content-Length: 6")),
    fault("a negative length", MALFORMED, *heads(b"Content-Length: -5")),
    fault("a length that is no number", MALFORMED, *heads(b"Content-Length: 0x20")),
    fault("a length and chunks", MALFORMED, *heads(b"Content-Length: 5", b"Transfer-Encoding: chunked")),
    fault("a coding nobody knows", MALFORMED, *heads(b"Transfer-Encoding: gzip, chunked")),
    fault("a folded header", MALFORMED, *heads(b"X-A: a", b" b")),
    fault("NUL in a header", MALFORMED, *heads(b"X-A: a\x00b")),
    fault("a bare CR in a header", MALFORMED, *heads(b"X-A: a\rX-B: b")),
    fault("no colon", MALFORMED, *heads(b"X-A")),
]
# fmt: on
