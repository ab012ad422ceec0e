"""Embeddings by Gemini's `batchEmbedContents`.

Source: Gemini API reference, "Embeddings".
"""

from __future__ import annotations

import attrs

from tproxy.core import failures, wishes
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Model
from tproxy.core.upstream import Reply, Steps
from tproxy.providers import vectors
from tproxy.providers.gemini import answer
from tproxy.providers.gemini.endpoint import Endpoint

_SPOKEN = {"model", "input", "dimensions", "encoding_format"}
_MOST = 100  # texts in one batch


@attrs.frozen
class Embeddings:
    """The `core.upstream.EmbeddingAdapter` of this dialect."""

    def embed(self, texts: EmbeddingRequest, model: Model) -> Steps[Reply]:
        if not texts.texts:
            raise wishes.unsupported(model, "input", "numbers of tokens")
        endpoint = Endpoint.of(model)
        said = texts.document.values
        dropped = tuple(n for n in said if n not in _SPOKEN and said[n] is not None)
        asked: dict[str, object] = {"model": f"models/{endpoint.model}"}
        if texts.dimensions is not None:
            asked["outputDimensionality"] = texts.dimensions
        found: list[object] = []
        tokens: int | None = None
        for start in range(0, len(texts.texts), _MOST):
            batch = [
                {**asked, "content": {"parts": [{"text": text}]}}
                for text in texts.texts[start : start + _MOST]
            ]
            received = yield endpoint.request(
                "batchEmbedContents", {"requests": batch}, model, dropped
            )
            reply = answer.opened(received.body, received.head.headers, model)
            read = reply.get("embeddings")
            if not isinstance(read, list) or len(read) != len(batch):
                row = failures.MALFORMED if read else failures.EMPTY
                raise UpstreamFailed.of(model.name, row, "no vector for each text")
            found += [one.get("values") for one in read if isinstance(one, dict)]
            counted = answer.tokens(reply.get("usageMetadata"))
            if counted is not None:
                tokens = (tokens or 0) + counted.prompt
        return vectors.reply(texts, model, found, tokens)
