"""Requests that try to hide another, and what nginx makes of each.

`python -m tests.server.smuggling` sends them through the nginx that is installed, and
adds to `data/behind_nginx.json` what came out at the other side, byte by byte. Tests
read that file wherever nginx is not.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.server.nginx import BINARY, nginx
from tests.server.serving import chunked, get, post
from tests.server.test_strictness import CHUNKED, MALFORMED, OK, POST

HIDDEN = get("/hidden")
VICTIM = get("/victim")
_QUIET = 0.03  # seconds
RECORDED = Path(__file__).parent / "data" / "behind_nginx.json"

# What a proxy may well let pass; the names say what readers have disagreed on.
DOUBTFUL = {
    "a body": post(b"a"),
    "chunks": chunked(b"a", HIDDEN),
    "a request for a body": post(HIDDEN),
    "zeros before a length": POST + b"Content-Length: 005\r\n\r\nabcde",
    "blanks after a length": POST + b"Content-Length: 5 \t\r\n\r\nabcde",
    "a length of GET": OK + b"Content-Length: 5\r\n\r\nabcde",
    "chunks of GET": OK + CHUNKED + b"\r\n1\r\na\r\n0\r\n\r\n",
    "a length of HEAD": OK.replace(b"GET", b"HEAD") + b"Content-Length: 1\r\n\r\na",
    "a length of DELETE": POST.replace(b"POST", b"DELETE")
    + b"Content-Length: 5\r\n\r\nabcde",
    "no body of POST": POST + b"\r\n",
    "Chunked": POST + CHUNKED.replace(b"c", b"C", 1) + b"\r\n1\r\na\r\n0\r\n\r\n",
    "a tab before chunked": POST
    + b"Transfer-Encoding:\tchunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "a vertical tab before chunked": POST
    + b"Transfer-Encoding: \x0bchunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "chunked, and a comma": POST
    + b"Transfer-Encoding: chunked,\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "chunked, with a parameter": POST
    + b"Transfer-Encoding: chunked;a=b\r\n\r\n1\r\na\r\n0\r\n\r\n",
    "a coding with an underscore": POST
    + b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "a length with an underscore in its name": POST
    + b"Content_Length: 5\r\n\r\n"
    + HIDDEN,
    "a coding that is a header of one hop": POST
    + b"Connection: Transfer-Encoding\r\n"
    + CHUNKED
    + b"\r\n1\r\na\r\n0\r\n\r\n",
    "a length that is a header of one hop": POST
    + b"Connection: Content-Length\r\nContent-Length: 5\r\n\r\nabcde",
    "extensions": POST + CHUNKED + b'\r\n1;a="b\\"c"\r\na\r\n0;d\r\n\r\n',
    "zeros before a chunk size": POST + CHUNKED + b"\r\n0001\r\na\r\n000\r\n\r\n",
    "a chunk size in both cases": POST + CHUNKED + b"\r\n0a\r\n0123456789\r\n0\r\n\r\n",
    "trailers": POST + CHUNKED + b"\r\n1\r\na\r\n0\r\nContent-Length: 50\r\n\r\n",
    "a trailer that is a request": POST
    + CHUNKED
    + b"\r\n0\r\n"
    + HIDDEN.replace(b"GET /", b"X: GET /"),
    "an expectation": post(b"abcde", "Expect: 100-continue"),
    "an upgrade": post(b"abcde", "Connection: upgrade", "Upgrade: h2c"),
    "HTTP/1.0": get("/", version="1.0"),
    "a body in 1.0": post(b"abcde").replace(b"1.1", b"1.0"),
    "an absolute target": b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a line end in the target": get("/%0d%0a%0d%0aGET%20/hidden"),
    "beyond ASCII": OK + b"X: \xe9\xff\r\n\r\n",
    "an empty line before": b"\r\n" + get(),
    "bare LFs only": b"POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nabcde",
    "bare LFs in chunks": POST + CHUNKED + b"\r\n5\nabcde\n0\n\n",
    "an extension with a bare LF": POST + CHUNKED + b"\r\n1;\nxx\r\na\r\n0\r\n\r\n",
}


def attempts() -> Iterator[tuple[str, bytes]]:
    """Each case by itself, with another request behind it, and short of a byte."""
    for name, request in {**MALFORMED, **DOUBTFUL}.items():
        yield name, request
        yield f"{name}, and more", request + HIDDEN
        yield f"{name}, cut short", request[:-1]


@attrs.frozen
class Passed:
    """What an attempt and the next client's request became, behind nginx.

    A connection is what it was sent, piece by piece: nginx sends a request when it has
    the answer to the one before, so a piece is one request, whole or not.
    """

    name: str
    version: str
    buffering: str
    connections: tuple[tuple[bytes, ...], ...]


def recorded() -> list[Passed]:
    said = json.loads(RECORDED.read_text("utf-8"))
    return [
        Passed(
            one["name"],
            one["version"],
            one["buffering"],
            tuple(tuple(p.encode("latin-1") for p in c) for c in one["connections"]),
        )
        for one in said
    ]


@attrs.define(eq=False)
class _Tap(asyncio.Protocol):
    """A server that reads nothing into what it gets: who falls silent is answered."""

    _taps: list[_Tap]
    pieces: list[bytes] = attrs.field(factory=lambda: [b""])
    transport: asyncio.Transport = attrs.field(init=False)
    _timer: asyncio.TimerHandle | None = None

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # of a stream's protocol
    ) -> None:
        self.transport = transport
        self._taps.append(self)

    def data_received(self, data: bytes) -> None:
        self.pieces[-1] += data
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_QUIET, self._answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _answer(self) -> None:
        self.pieces.append(b"")
        self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def through(port: int, request: bytes, seconds: float) -> bytes:
    """What comes back, until it ends or that time has passed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    said = b""
    try:
        async with asyncio.timeout(seconds):
            while data := await reader.read(65_536):
                said += data
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return said


async def _record(version: str, buffering: str) -> list[Passed]:
    taps: list[_Tap] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Tap(taps), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    passed = []
    with tempfile.TemporaryDirectory() as home:
        async with nginx(Path(home), port, buffering) as front:
            for name, request in attempts():
                await through(front, request, 0.2)
                if not taps:
                    continue  # nginx refuses it
                await through(front, VICTIM, 0.5)
                connections = tuple(tuple(filter(None, tap.pieces)) for tap in taps)
                passed.append(Passed(name, version, buffering, connections))
                for tap in taps:
                    tap.transport.close()
                taps.clear()
                await asyncio.sleep(_QUIET)  # for nginx to notice
    server.close()
    return passed


def _written(every: list[Passed]) -> str:
    """A line each; what came out as another did is left out."""
    lines = []
    for passed in {one.connections: one for one in reversed(every)}.values():
        shown = [[piece.decode("latin-1") for piece in c] for c in passed.connections]
        lines.append(json.dumps({**attrs.asdict(passed), "connections": shown}))
    return "[\n" + ",\n".join(reversed(lines)) + "\n]\n"


def _main() -> None:
    assert BINARY is not None
    shown = subprocess.run([BINARY, "-v"], capture_output=True, check=True, text=True)
    version = shown.stderr.strip().rpartition("/")[2]
    every = [passed for passed in recorded() if passed.version != version]
    for buffering in ("on", "off"):
        every += asyncio.run(_record(version, buffering))
    RECORDED.write_text(_written(every), "utf-8")


if __name__ == "__main__":
    _main()
