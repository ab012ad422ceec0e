"""Recorded exchanges with a provider, one a JSON file.

A file holds `id`, `kind` ("chat", "chat-stream" or "error"; others are passed over),
`features`, and `response` with `status`, `headers` (names in lower case) and `body`,
the text exactly as it came. `docs/plugins.md` shows one.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import attrs

from tproxy.core.upstream import UpstreamHead

_EVENT = re.compile(rb".*?\n\r?\n", re.DOTALL)
_LINE = re.compile(rb"\{.*\}\r?\n")
KINDS = ("chat", "chat-stream", "error")


@attrs.frozen
class Recording:
    """What came back. `breaks`: an error comes where an answer had begun."""

    id: str
    kind: str
    breaks: bool
    head: UpstreamHead
    body: bytes = attrs.field(repr=False)

    def chance(self) -> random.Random:
        """The same one in each run."""
        return random.Random(self.id)  # noqa: S311 - it guards nothing


def events(body: bytes) -> list[bytes]:
    """The whole events of a stream, or its lines, where each is a JSON object."""
    return _EVENT.findall(body) or _LINE.findall(body)


def read(folder: Path) -> tuple[Recording, ...]:
    """All recordings of chats in a folder and in those below it, by name."""
    found = []
    for path in sorted(folder.rglob("*.json")):
        said = json.loads(path.read_text("utf-8"))
        if said["kind"] not in KINDS:
            continue
        response, features = said["response"], said.get("features", ())
        found.append(
            Recording(
                id=said["id"],
                kind=said["kind"],
                breaks=not {"mid-stream-error", "error-in-200"}.isdisjoint(features),
                head=UpstreamHead(response["status"], response["headers"]),
                body=response["body"].encode(),
            )
        )
    return tuple(found)
