"""A dialect of OpenAI's shape that tells OpenAI's own fields, and no others.

Another dialect judges all that comes, errors and emptiness among it; what passes is
told again. See `docs/adr/0027-openais-own-fields.md`.
"""

from __future__ import annotations

import json

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import (
    Dialect,
    EmbeddingAdapter,
    ProviderAdapter,
    Reply,
    Steps,
    StreamReader,
    UpstreamHead,
    UpstreamRequest,
)
from tproxy.providers.said import Object, parsed
from tproxy.providers.shaped import normal
from tproxy.providers.shaped.normal_calls import Calls
from tproxy.providers.shaped.normal_stream import NormalStream


def normalised(dialect: Dialect) -> Dialect:
    """`dialect`, and how its answers are told in OpenAI's own fields."""
    embeddings = dialect.embeddings and NormalEmbeddings(dialect.embeddings)
    told = attrs.evolve(dialect, chat=NormalChat(dialect.chat), embeddings=embeddings)
    return attrs.evolve(dialect, normal=told)


@attrs.frozen
class NormalChat:
    """A `core.upstream.ProviderAdapter` over the one that judges."""

    _judge: ProviderAdapter

    def build_request(self, chat: ChatRequest, model: Model) -> UpstreamRequest:
        return self._judge.build_request(chat, model)

    def parse_response(
        self, head: UpstreamHead, body: bytes, chat: ChatRequest, model: Model
    ) -> Reply:
        reply = self._judge.parse_response(head, body, chat, model)
        told = _completion(normal.member(parsed(reply.body)), chat, model)
        return Reply(normal.encoded(told, model), reply.usage)

    def parse_error(
        self, head: UpstreamHead, body: bytes, model: Model
    ) -> UpstreamFailed:
        return self._judge.parse_error(head, body, model)

    def stream_reader(
        self, head: UpstreamHead, chat: ChatRequest, model: Model
    ) -> StreamReader:
        judge = self._judge.stream_reader(head, chat, model)
        return NormalStream(judge, chat, model)


@attrs.frozen
class NormalEmbeddings:
    """A `core.upstream.EmbeddingAdapter` over the one that judges."""

    _judge: EmbeddingAdapter

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        reply = yield from self._judge.embed(texts, model)
        said = normal.member(json.loads(reply.body))
        data = [
            {"object": "embedding", "index": index, "embedding": one.get("embedding")}
            for index, one in enumerate(_in_order(normal.objects(said.get("data"))))
        ]
        tokens = 0 if reply.usage is None else reply.usage.prompt
        told = {
            "object": "list",
            "data": data,
            "model": model.name,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return Reply(normal.encoded(told, model), reply.usage)


def _completion(said: Object, chat: ChatRequest, model: Model) -> dict[str, object]:
    """A whole answer, told again.

    Raises:
        UpstreamFailed: nothing of it has a field in OpenAI's form.
    """
    found = enumerate(normal.objects(said.get("choices")))
    choices = [_choice(place, one, chat, model) for place, one in found]
    if not any(_says_something(choice) for choice in choices):
        raise normal.silence(model)
    told = {**normal.head(said, "chat.completion", chat, model), "choices": choices}
    usage = normal.usage(said)
    return told if usage is None else {**told, "usage": usage}


def _choice(
    place: int, said: Object, chat: ChatRequest, model: Model
) -> dict[str, object]:
    found = normal.member(said.get("message")) or {"content": said.get("text")}
    told = normal.spoken(found)
    calls = Calls(chat, model).whole(found.get("tool_calls"))
    if calls:
        told["tool_calls"] = calls
    function = normal.member(told.pop("function_call", None))
    if "name" in function:
        told["function_call"] = {"arguments": "", **function}
    citations = normal.citations(found.get("annotations"))
    if citations:
        told["annotations"] = citations
    finish = normal.finish(
        said.get("finish_reason"), calls=bool(calls), function="function_call" in told
    )
    content = None if found.get("content") is None else ""
    return {
        "index": place,
        "message": {"role": "assistant", "content": content, "refusal": None, **told},
        "logprobs": normal.logprobs(said.get("logprobs")),
        "finish_reason": finish,
    }


def _says_something(choice: Object) -> bool:
    if choice["finish_reason"] in normal.SILENT:
        return True
    return normal.says_something(normal.member(choice["message"]))


def _in_order(entries: list[dict[str, object]]) -> list[dict[str, object]]:
    """By their indexes, if these are such; else as they came."""
    placed = {i: e for e in entries if type(i := e.get("index")) is int}
    places = range(len(entries))
    return [placed[at] for at in places] if placed.keys() == {*places} else entries
