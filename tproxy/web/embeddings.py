"""`POST /embeddings`."""

from __future__ import annotations

from tproxy.core.embedding import EmbeddingRequest
from tproxy.web.answering import AnsweringHandler


class EmbeddingsHandler(AnsweringHandler):
    """Vectors of texts."""

    def read(self, body: bytes, id: str, created: int) -> EmbeddingRequest:
        return EmbeddingRequest.parse(body, id, created)
