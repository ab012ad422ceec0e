"""A provider on a loopback socket that answers what it is asked, or fails on demand.

What it answers is a pure function of the request; the sockets are here:

    def answer(asked: Asked) -> Said:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return Said.json({"message": "invalid token"}, status=401)
        if asked.json["stream"]:
            return Said.events({"text": "Hel"}, {"text": "lo"}, "[DONE]")
        return Said.json({"text": "Hello"})

    async with simulating(answer) as simulator:
        simulator.fail(instead(Said.json({"message": "slow down"}, status=429)))
        simulator.fail(cut(after=1))  # for the second request
        ...  # ask simulator.url + "/v2/chat"
        assert simulator.requests[0].json["model"] == "command-a"
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import attrs

from tests.faults import upstream
from tests.faults.script import JSON, SSE, End, Script, chunked, whole
from tests.faults.upstream import ScriptedUpstream, listening


@attrs.frozen
class Asked:
    """One request as it came. Header names are in lower case, the query is apart."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as a JSON value; raises ValueError where it is none."""
        return json.loads(self.body)


@attrs.frozen
class Said:
    """What is answered: a body with its length, or the pieces of a stream.

    Each piece is a chunk of its own (RFC 9112, 7.1), sent in one write.
    """

    status: int = 200
    headers: Mapping[str, str] = JSON
    body: bytes | Sequence[bytes] = b""

    @classmethod
    def json(
        cls, value: object, status: int = 200, headers: Mapping[str, str] = JSON
    ) -> Said:
        body = json.dumps(value, ensure_ascii=False).encode()
        return cls(status, {**JSON, **headers}, body)

    @classmethod
    def events(cls, *events: object, headers: Mapping[str, str] = SSE) -> Said:
        """Server-sent events without names, one a piece; strings stay as they are."""
        return cls(200, {**SSE, **headers}, [event(value) for value in events])

    @property
    def script(self) -> Script:
        if isinstance(self.body, bytes):
            return whole(self.body, self.status, self.headers)
        return chunked(self.body, self.headers)


Answer = Callable[[Asked], Said]
Fault = Callable[[Said], Script]  # what goes out where this should have been said


def event(value: object, name: str = "", end: str = "\n") -> bytes:
    """One server-sent event; `end` is the line end."""
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    lines = [f"event: {name}"] if name else []
    return "".join(f"{line}{end}" for line in (*lines, f"data: {said}", "")).encode()


def instead(said: Said) -> Fault:
    """Say something else, such as a 429 in the provider's own shape."""
    return lambda _: said.script


def cut(after: int) -> Fault:
    """Close the connection after so many pieces of a stream, or bytes of a body."""

    def fault(said: Said) -> Script:
        if isinstance(said.body, bytes):
            [head, body] = said.script
            assert isinstance(body, bytes)
            return [head, body[:after], End.CLOSE]
        return chunked([*said.body[:after], End.CLOSE], said.headers)

    return fault


def shortened(after: int) -> Fault:
    """End the stream after so many pieces, cleanly as far as HTTP goes."""

    def fault(said: Said) -> Script:
        assert not isinstance(said.body, bytes), "only streams can be shortened"
        return chunked([*said.body[:after]], said.headers)

    return fault


def hang(_: Said) -> Script:
    """Take the request and say nothing, not even a head."""
    return [End.HOLD]


def reset(_: Said) -> Script:
    """Reset the connection instead of an answer."""
    return [End.RESET]


def garbage(said: Said) -> Script:
    """A good head, and a body that nobody can read."""
    return attrs.evolve(said, body=b"\x00\xff{]}" * 20).script


@attrs.define(eq=False)
class Simulator(ScriptedUpstream):
    """A provider that listens at `url`. `requests` are those it had, in order."""

    scripts: Sequence[Script] = ()
    answer: Answer = attrs.field(kw_only=True)
    requests: list[Asked] = attrs.field(factory=list)
    _faults: deque[Fault] = attrs.field(factory=deque)

    @property
    def url(self) -> str:
        """Scheme, host and port; the path is the provider's."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def fail(self, *faults: Fault) -> None:
        """Have the next requests meet these, in order; then all is well again."""
        self._faults.extend(faults)

    def script_for(self, asked: upstream.Asked) -> Script:
        parts = urlsplit(asked.path)
        heard = Asked(
            method=asked.method,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers=asked.headers,
            body=asked.body,
        )
        self.requests.append(heard)
        said = self.answer(heard)
        return self._faults.popleft()(said) if self._faults else said.script


@asynccontextmanager
async def simulating(answer: Answer) -> AsyncIterator[Simulator]:
    """Run a simulator. Whoever asks it has to have hung up when the block ends."""
    simulator = Simulator(answer=answer)
    async with listening(simulator):
        yield simulator
