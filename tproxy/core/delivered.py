"""What a client has of a stream, as far as another model could go on from it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping

import attrs

from tproxy.core import sse, tokens
from tproxy.core.upstream import Usage

LONGEST = 262_144  # characters, at most 1 MiB; a longer text is not kept

_SHARED = ("id", "object", "created", "model", "system_fingerprint")
# Of a delta, what is text or says nothing: `token_id` is Together's, `channel` Groq's.
_PLAIN = frozenset({"role", "content", "token_id", "channel"})


@attrs.frozen
class Chunk:
    """One chunk of an answer that is one plain text. `head`: what all of them share."""

    head: Mapping[str, object]
    text: str
    finish: str | None
    usage: Usage | None

    @classmethod
    def read(cls, data: bytes) -> Chunk | None:
        """None where there is anything but plain text, such as a call or a thought."""
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            return None
        choices = said.get("choices") if isinstance(said, dict) else None
        if not isinstance(choices, list) or said.get("error"):
            return None
        text, finish = "", None
        for choice in choices:
            words = _words(choice)
            if words is None:
                return None
            text += words
            finish = choice.get("finish_reason") or finish
        head = {name: said[name] for name in _SHARED if name in said}
        return cls(head, text, finish, _usage(said.get("usage")))


@attrs.define
class Delivered:
    """Gathers what has been sent: the text, and the head of its chunks."""

    head: Mapping[str, object] = attrs.field(factory=dict, init=False)
    _text: io.StringIO | None = attrs.field(factory=io.StringIO, init=False)

    def take(self, events: bytes) -> None:
        """These went to the client."""
        if self._text is None:
            return
        for chunk in _chunks(events):
            if chunk is None or chunk.finish is not None:
                self._text = None
                return
            if chunk.text:  # what comes before may be about the prompt, and headless
                self.head = chunk.head
                self._text.write(chunk.text)
        if self._text.tell() > LONGEST:
            self._text = None

    @property
    def text(self) -> str | None:
        """All of it; None where it is over, too long, or more than a text."""
        if self._text is None:
            return None
        # A character may have come in two halves, as JSON escapes it, or be half there.
        halves = self._text.getvalue().encode("utf-16", "surrogatepass")
        try:
            return halves.decode("utf-16")
        except UnicodeDecodeError:
            return None


def _chunks(events: bytes) -> Iterable[Chunk | None]:
    for raw in sse.split(events):
        data = sse.read(raw).data
        if data is not None:
            yield Chunk.read(data)


def _words(choice: object) -> str | None:
    """What the one choice there may be says; None where that is not all."""
    if not isinstance(choice, dict) or choice.get("index") or choice.get("logprobs"):
        return None
    delta = choice.get("delta") or {}
    if not isinstance(delta, dict):
        return None
    if any(value for name, value in delta.items() if name not in _PLAIN):
        return None
    content = delta.get("content") or ""
    return content if isinstance(content, str) else None


def _usage(said: object) -> Usage | None:
    if not isinstance(said, dict):
        return None
    names = ("prompt_tokens", "completion_tokens")
    return Usage(*(tokens.counted(said.get(name)) for name in names))
