"""What a scripted provider does, step by step, and HTTP's ways of framing it."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

import attrs


class End(enum.Enum):
    CLOSE = "close"
    RESET = "reset"
    HOLD = "hold"  # nothing more comes, until the other side leaves


@attrs.frozen
class Drip:
    """Byte after byte, `seconds` apart, until the other side leaves."""

    data: bytes
    seconds: float = 0.005


# Of a queue, each piece that a test puts in is a chunk, until there is a None.
Step = bytes | asyncio.Event | asyncio.Queue[bytes | None] | Drip | End
Script = Sequence[Step]
Headers = Mapping[str, str]

SSE = {"Content-Type": "text/event-stream"}
JSON = {"Content-Type": "application/json"}
_PHRASES = {known.value: known.phrase for known in HTTPStatus}


def head(status: int = 200, headers: Headers = JSON) -> bytes:
    lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Whatever')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whole(body: bytes, status: int = 200, headers: Headers = JSON) -> Script:
    """A reply with its length."""
    return [head(status, {**headers, "Content-Length": str(len(body))}), body]


def promised(
    headers: Headers, *steps: Step, status: int = 200, length: int = 9_999
) -> Script:
    """A reply that says its length, and then does as it likes."""
    return [head(status, {**headers, "Content-Length": str(length)}), *steps]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunked(pieces: Iterable[Step], headers: Headers = SSE) -> Script:
    """A reply in chunks. It breaks off where the last piece is an `End`."""
    steps: list[Step] = [head(200, {**headers, "Transfer-Encoding": "chunked"})]
    steps += [chunk(piece) if isinstance(piece, bytes) else piece for piece in pieces]
    return steps if isinstance(steps[-1], End) else [*steps, b"0\r\n\r\n"]


def unframed(pieces: Iterable[Step], headers: Headers = SSE) -> Script:
    """A reply that lasts until the connection ends."""
    steps: list[Step] = [head(200, {**headers, "Connection": "close"}), *pieces]
    return steps if isinstance(steps[-1], End) else [*steps, End.CLOSE]


def raw(script: Script) -> bytes:
    """All the bytes of a script, framing included."""
    return b"".join(step for step in script if isinstance(step, bytes))
