"""Embeddings of OpenAI's shape: OpenAI, Azure, Mistral, Together, OpenRouter, vLLM.

Bytes go through as they are, unless a provider that knows one encoding of vectors is
asked for the other. Source: OpenAI API reference, "Create embeddings".
"""

from __future__ import annotations

import json

import attrs

from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Steps
from tproxy.providers import vectors
from tproxy.providers.shaped import endpoint


@attrs.frozen
class Embeddings:
    """The `core.upstream.EmbeddingAdapter` of this dialect."""

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        asked = texts.document.replaced("model", model.upstream_name)
        received = yield endpoint.request(model, asked)
        said, entries = endpoint.answer(received, model)
        vectors.check_count(len(entries), texts, model)
        body = received.body
        found = [entry.get("embedding") for entry in entries]
        told = [vectors.spelled(vector, texts, model) for vector in found]
        if any(new is not old for new, old in zip(told, found, strict=True)):
            data = [
                {**entry, "embedding": vector}
                for entry, vector in zip(entries, told, strict=True)
            ]
            body = json.dumps({**said, "data": data}, separators=(",", ":")).encode()
        return Reply(body, endpoint.usage(said))
