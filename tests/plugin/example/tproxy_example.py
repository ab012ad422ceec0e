"""The dialect of an example provider, which has text and streams and little else.

It is asked with `POST .../generate` and answers {"id", "text", "stop", "tokens"}; its
stream has one piece of text in each event, and "stop" and "tokens" in the last one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import attrs

from tproxy.core import failures, message, sse, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import Choice, ChunkWriter, Tokens, completion
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import Message, Text
from tproxy.core.model import Model
from tproxy.core.upstream import (
    Dialect,
    Reply,
    StreamReader,
    UpstreamHead,
    UpstreamRequest,
    Usage,
)
from tproxy.providers import complaint
from tproxy.providers.translated import Translated, failed

_SPOKEN = ("temperature",)  # of the client's fields, beside those all dialects have
_FINISH = {"end": "stop", "limit": "length"}


@attrs.frozen
class Example:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        values = chat.document.values
        said = {
            "model": model.upstream_name,
            "turns": [_turn(m, model) for m in message.read(values["messages"])],
            "temperature": wishes.read(chat).temperature,
            "limit": chat.output_tokens,
            "stream": chat.stream,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return UpstreamRequest(
            method="POST",
            url=model.upstream.url.removesuffix("/generate") + "/generate",
            headers=(("Content-Type", "application/json"), *model.upstream.headers),
            body=json.dumps(said).encode(),
            dropped=wishes.unsaid(chat, _SPOKEN, model),
        )

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = _read(body, model)
        text, finish = _text(said, model), _finish(said, model)
        if finish is None:
            raise failed(failures.MALFORMED, model, "no reason to stop")
        if not text and finish == "stop":
            raise failed(failures.EMPTY, model, "no text")
        id = said.get("id")
        return completion(
            chat,
            model,
            [Choice(text, finish)],
            _tokens(said),
            id=id if isinstance(id, str) else "",
        )

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        return Translated(_Speech(model, ChunkWriter(chat, model)), model)


@attrs.define
class _Speech:
    _model: Model
    _chunks: ChunkWriter
    begun: bool = attrs.field(default=False, init=False)
    _finish: str | None = attrs.field(default=None, init=False)
    _tokens: Tokens | None = attrs.field(default=None, init=False)

    @property
    def usage(self) -> Usage | None:
        return None if self._tokens is None else self._tokens.usage

    def take(self, event: sse.Event) -> bytes:
        said = _read(event.data or b"", self._model)
        if self._finish is not None:
            raise failed(failures.MALFORMED, self._model, "an event after the last")
        text = _text(said, self._model)
        self._finish = _finish(said, self._model)
        self._tokens = _tokens(said)
        self.begun = self.begun or bool(text) or self._finish == "length"
        chunk = self._chunks.text(text) if text else b""
        if self._finish is not None and self.begun:
            chunk += self._chunks.finish(self._finish)
        return chunk

    def end(self) -> bytes:
        if self._finish is None:
            raise failed(failures.EARLY_END, self._model, "no reason to stop")
        if not self.begun:
            raise failed(failures.EMPTY, self._model, "no text")
        return self._chunks.end(self._tokens)


def _turn(of: Message, model: Model) -> dict[str, object]:
    """One message; nothing that carries meaning is left out in silence."""
    if of.calls or of.role == "tool":
        raise wishes.unsupported(model, of.path)
    for place, part in enumerate(of.parts):
        if not isinstance(part, Text):
            raise wishes.unsupported(model, f"{of.path}.content[{place}]")
    return {"role": of.role, "text": of.text}


def _read(data: bytes, model: Model) -> Mapping[str, object]:
    """One JSON object; an error may come where an answer was due."""
    try:
        said: object = json.loads(data)
    except (ValueError, RecursionError):
        raise failed(failures.MALFORMED, model, "no JSON") from None
    if not isinstance(said, dict):
        raise failed(failures.MALFORMED, model, "no JSON object")
    if "message" in said:
        raise complaint.read(None, {}, data, model)
    return said


def _text(said: Mapping[str, object], model: Model) -> str:
    text = said.get("text", "")
    if not isinstance(text, str):
        raise failed(failures.MALFORMED, model, "text that is none")
    return text


def _finish(said: Mapping[str, object], model: Model) -> str | None:
    """OpenAI's word for it; None where more is to come."""
    stop = said.get("stop")
    if stop is None:
        return None
    finish = _FINISH.get(stop) if isinstance(stop, str) else None
    if finish is None:
        raise failed(failures.MALFORMED, model, "an unknown reason to stop")
    return finish


def _tokens(said: Mapping[str, object]) -> Tokens | None:
    tokens = said.get("tokens")
    if not isinstance(tokens, dict):
        return None
    counts = [tokens.get(name) for name in ("in", "out")]
    prompt, answer = (c if type(c) is int and c >= 0 else 0 for c in counts)
    return Tokens(prompt, answer)


DIALECT: Final = Dialect(chat=Example())
