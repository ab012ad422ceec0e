"""Chats by the native endpoint, whole or streamed."""

from __future__ import annotations

from functools import partial

import attrs

from tproxy.core import completion, failures
from tproxy.core.chat import ChatRequest
from tproxy.core.completion import Choice
from tproxy.core.errors import UpstreamFailed
from tproxy.core.message import ToolCall
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, StreamReader, UpstreamHead, UpstreamRequest
from tproxy.providers import complaint
from tproxy.providers.calls import call_id, check_arguments
from tproxy.providers.cloudflare import question, result
from tproxy.providers.cloudflare.result import CallPart
from tproxy.providers.cloudflare.speech import Speech
from tproxy.providers.said import Object, stream_kind
from tproxy.providers.translated import Translated
from tproxy.providers.unstreamed import Unstreamed


@attrs.frozen
class Chat:
    """The `core.upstream.ProviderAdapter` of this dialect."""

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return question.request(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        said = result.opened(head, body, model)
        tokens = result.tokens(said.get("usage"))
        choice = _choice(said, chat)
        most = question.output_tokens(chat, model) or question.DEFAULT_TOKENS
        finish = result.finish(choice.finish, bool(choice.calls), tokens, most, model)
        said_something = choice.content or choice.calls or choice.reasoning
        if not said_something and finish not in result.HONEST_SILENCE:
            raise UpstreamFailed.of(model.name, failures.EMPTY, "no content")
        check_arguments((call.arguments for call in choice.calls), finish, model)
        return completion.completion(
            chat,
            model,
            [attrs.evolve(choice, finish=finish)],
            tokens,
            id=result.id_of(said),
            created=result.created_of(said),
        )

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return complaint.read(head.status, head.headers, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        if stream_kind(head, model).endswith("json"):
            # What cannot be streamed, forms and some models, comes whole.
            parse = partial(self.parse_response, head, chat=chat, model=model)
            return Unstreamed(parse, chat, model)
        return Translated(Speech.of(head, chat, model), model)


def _choice(said: Object, chat: ChatRequest) -> Choice:
    """The answer; its finish reason as told, "" where none is.

    A completion stands before the old members beside it, which lose text that happens
    to be JSON.
    """
    first = next(iter(result.objects(said.get("choices"))), {})
    inner = first.get("message")
    message = inner if isinstance(inner, dict) else {}
    parts = result.objects(message.get("tool_calls") or said.get("tool_calls"))
    ids: set[str] = set()
    calls = tuple(
        ToolCall(call_id(call.id, ids, chat), call.name, call.arguments or "{}")
        for call in map(CallPart.of, parts)
        if call.name
    )
    content = result.text(message.get("content")) or result.text(said.get("response"))
    return Choice(
        content if content or not calls else None,
        result.text(first.get("finish_reason")),
        calls,
        result.thoughts(message or said),
    )
