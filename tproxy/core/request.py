"""Whatever a client may ask of a model."""

from __future__ import annotations

from tproxy.core.chat import ChatRequest
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.image import ImageRequest

Request = ChatRequest | ImageRequest | EmbeddingRequest
