"""Google Gemini: `generateContent`, its stream, images and embeddings.

Source: Gemini API reference (v1beta). Errors are `providers.complaint`'s to read; the
key goes in a header, whatever the documentation's examples do.
"""

from __future__ import annotations

from typing import Final

import attrs

from tproxy.core import completion, failures
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import Choice
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import (
    Dialect,
    Reply,
    StreamReader,
    UpstreamHead,
    UpstreamRequest,
)
from tproxy.providers import complaint
from tproxy.providers.gemini import answer, request
from tproxy.providers.gemini.answer import Candidate, Ids
from tproxy.providers.gemini.array import Array
from tproxy.providers.gemini.embeddings import Embeddings
from tproxy.providers.gemini.images import Images
from tproxy.providers.gemini.stream import Speech
from tproxy.providers.said import stream_kind
from tproxy.providers.translated import Translated


@attrs.frozen
class Gemini:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return request.build(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = answer.opened(body, head.headers, model)
        ids = Ids(chat.id)
        read = answer.read(said, model, ids)
        ids.halves.check(model)
        spoke = [one.says_something or one.is_silent for one in read.candidates]
        if not spoke or not all(spoke):
            raise UpstreamFailed.of(model.name, failures.EMPTY, "no content")
        choices = [_choice(one, chat.id) for one in read.candidates]
        return completion.completion(chat, model, choices, read.tokens, id=read.id)

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        is_array = stream_kind(head, model).endswith("json")
        events = Translated(Speech(chat, model), model)
        return Array(events, model) if is_array else events


def _choice(said: Candidate, request: str) -> Choice:
    return Choice(
        content=said.text or (None if said.calls else ""),
        finish=answer.reason(said.finish, called=bool(said.calls)),
        calls=said.calls,
        reasoning=said.reasoning,
        extra=said.beside(request),
    )


DIALECT: Final = Dialect(
    chat=Gemini(), images=Images(), embeddings=Embeddings(), takes_links=False
)
