"""Chats with Cohere's models."""

from __future__ import annotations

import attrs

from tproxy.core import completion, failures
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, StreamReader, UpstreamHead, UpstreamRequest
from tproxy.providers import complaint
from tproxy.providers.cohere import answer, request
from tproxy.providers.cohere.speech import Speech
from tproxy.providers.said import opened, stream_kind, string
from tproxy.providers.translated import Translated, failed
from tproxy.providers.unstreamed import Unstreamed

_INVALID_TOKEN = 498


@attrs.frozen
class Chat:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return request.build(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = opened(body, model)
        if isinstance(said.get("message"), str) or said.get("error"):
            raise complaint.read(None, head.headers, body, model)
        choice = answer.choice(said, model)
        id = string(said, "id", model)
        tokens = answer.tokens(said.get("usage"))
        try:
            return completion.completion(chat, model, [choice], tokens, id=id)
        except RecursionError:  # what can just be read may be too deep to be written
            raise failed(failures.MALFORMED, model, "deep citations") from None

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        # Cohere alone means a key by 498; to others it is a matter of load.
        status = 401 if head.status == _INVALID_TOKEN else head.status
        return complaint.read(status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        if stream_kind(head, model).endswith("json"):
            return Unstreamed(
                lambda body: self.parse_response(head, body, chat, model), chat, model
            )
        return Translated(Speech(chat, model), model)
