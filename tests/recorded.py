"""The recordings of providers that speak OpenAI's dialect, as values."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from tests.faults.script import Script, chunked, head
from tests.faults.script import whole as replied

HOME = Path(__file__).parent / "recordings" / "openai"


@attrs.frozen
class Recording:
    """One exchange. `sent` is what the client sent, None where nobody recorded it."""

    id: str
    kind: str
    model: str
    sent: Mapping[str, object] | None
    status: int
    headers: Mapping[str, str]
    body: bytes
    breaks: bool  # an error comes in the middle of the stream

    @property
    def stream(self) -> bool:
        return self.kind == "chat-stream" or self.breaks

    def request(self, name: str) -> bytes:
        """What was sent, for a model called `name`, in an unusual spelling."""
        least = {"messages": [{"role": "user", "content": "Hello"}]}
        fields = {"stream": True} if self.stream else {}
        said = {**least, **fields, **(self.sent or {}), "model": name}
        return json.dumps(said, ensure_ascii=False, separators=(" , ", " :\t")).encode()

    @property
    def reply(self) -> Script:
        """What the provider answers; a stream comes in one chunk."""
        if self.stream:
            return chunked([self.body], self.headers)
        return replied(self.body, self.status, self.headers)

    def sliced(self, at: list[int]) -> Script:
        """The same, cut at these places."""
        ends = zip([0, *at], [*at, len(self.body)], strict=True)
        pieces = [self.body[start:end] for start, end in ends]
        if self.stream:
            return chunked([piece for piece in pieces if piece], self.headers)
        length = {"Content-Length": str(len(self.body))}
        return [head(self.status, {**self.headers, **length}), *pieces]

    def places(self, count: int) -> list[int]:
        """Some places within the body; the same ones in each run."""
        chance = random.Random(self.id)
        return sorted(chance.randrange(1, len(self.body)) for _ in range(count))


def _read(path: Path) -> Recording:
    said = json.loads(path.read_text("utf-8"))
    request, response = said["request"], said["response"]
    sent = request["body"]
    model = sent.get("model") if isinstance(sent, dict) else None
    return Recording(
        id=said["id"],
        kind=said["kind"],
        model=model or said["model"] or "unnamed",
        sent=sent,
        status=response["status"],
        headers=response["headers"],
        body=response["body"].encode(),
        breaks="mid-stream-error" in said["features"],
    )


def recordings() -> Iterator[Recording]:
    for path in sorted(HOME.glob("*/*.json")):
        yield _read(path)


ALL = tuple(recordings())
ANSWERS = [r for r in ALL if r.status == 200 and not r.breaks]
STREAMS = [r for r in ANSWERS if r.stream]
WHOLE = [r for r in ANSWERS if not r.stream]
BREAKING = [r for r in ALL if r.breaks]
REFUSALS = [r for r in ALL if r.status != 200]
