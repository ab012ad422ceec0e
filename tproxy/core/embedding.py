"""A request for embeddings: what the client asked, parsed once and never changed."""

from __future__ import annotations

import attrs

from tproxy.core import tokens
from tproxy.core.document import Document
from tproxy.core.model import Capability


@attrs.frozen
class EmbeddingRequest:
    """What selection, relay and adapters need to know.

    `texts` is empty where the client sent numbers of tokens, which only providers of
    OpenAI's dialect can read. `dimensions` is None where the client leaves it to the
    model; `base64`: vectors are wanted as Base64 of little-endian 32-bit floats.
    `model`, `id` and `created` are as in `ChatRequest`.
    """

    document: Document = attrs.field(repr=False)
    model: str | None
    texts: tuple[str, ...] = attrs.field(repr=False)
    text_bytes: int
    dimensions: int | None = None
    base64: bool = False
    id: str = ""
    created: int = 0

    stream = False
    needs: frozenset[Capability] = frozenset()
    output_tokens: int | None = None

    @property
    def prompt_tokens(self) -> int:
        """Estimated, see `core.tokens`."""
        return tokens.estimate(self.text_bytes)
