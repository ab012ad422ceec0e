"""Chats with Anthropic's models."""

from __future__ import annotations

import attrs

from tproxy.core import completion, failures, wishes
from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, StreamReader, UpstreamHead, UpstreamRequest
from tproxy.providers import complaint
from tproxy.providers.anthropic import answer, request
from tproxy.providers.anthropic.generation import Generation
from tproxy.providers.anthropic.speech import Speech
from tproxy.providers.said import stream_kind, string
from tproxy.providers.translated import Translated, failed
from tproxy.providers.unstreamed import Unstreamed


@attrs.frozen
class Chat:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return request.build(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = answer.read(body, model)
        choice = answer.choice(said, model, by_tool=_by_tool(chat, model))
        id = string(said, "id", model)
        tokens = answer.tokens(said.get("usage"))
        try:
            return completion.completion(chat, model, [choice], tokens, id=id)
        except RecursionError:  # what can just be read may be too deep to be written
            raise failed(failures.MALFORMED, model, "deep citations") from None

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        if stream_kind(head, model).endswith("json"):
            return Unstreamed(
                lambda body: self.parse_response(head, body, chat, model), chat, model
            )
        return Translated(Speech(chat, model, _by_tool(chat, model)), model)


def _by_tool(chat: ChatRequest, model: Model) -> bool:
    wish = wishes.read(chat)
    return request.answers_by_tool(wish, Generation.of(model.upstream_name))
