"""Vectors: `{"text": [...]}` in, `{"shape": [2, 768], "data": [[...], [...]]}` out.

Source: Cloudflare documentation, "Workers AI, text embeddings".
"""

from __future__ import annotations

import json

import attrs

from tproxy.core import failures, wishes
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Steps
from tproxy.providers import vectors
from tproxy.providers.cloudflare import address, result

_SPOKEN = ("model", "input", "encoding_format", "dimensions")


@attrs.frozen
class Embeddings:
    """The `core.upstream.EmbeddingAdapter` of this dialect."""

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        if not texts.texts:
            raise wishes.unsupported(model, "input", "numbers of tokens")
        if texts.dimensions is not None:
            raise wishes.unsupported(model, "dimensions")
        kind = (("Content-Type", "application/json"), ("Accept", "application/json"))
        body = json.dumps({"text": texts.texts}).encode()
        said = texts.document.values
        dropped = tuple(
            n for n, v in said.items() if v is not None and n not in _SPOKEN
        )
        received = yield address.request(model, body, kind, dropped)
        answer = result.opened(received.head, received.body, model)
        data = answer.get("data")
        if not isinstance(data, list):
            raise UpstreamFailed.of(model.name, failures.EMPTY, "no vectors")
        tokens = result.tokens(answer.get("usage"))
        prompt = None if tokens is None else tokens.prompt
        return vectors.reply(texts, model, data, prompt)
