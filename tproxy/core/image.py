"""A request for images: what the client asked, parsed once and never changed."""

from __future__ import annotations

import attrs

from tproxy.core import tokens
from tproxy.core.document import Document
from tproxy.core.model import Capability


@attrs.frozen
class ImageRequest:
    """What selection, relay and adapters need to know.

    `size` is width and height in pixels; None where the client leaves it to the
    provider, as with "auto". `quality` and `format` ("png", "jpeg", "webp") are the
    client's words, None where it said nothing. `wants_url`: it asked for URLs, which
    not every provider can give. `model`, `id` and `created` are as in `ChatRequest`.
    """

    document: Document = attrs.field(repr=False)
    model: str | None
    prompt: str = attrs.field(repr=False)
    n: int = 1
    size: tuple[int, int] | None = None
    quality: str | None = None
    format: str | None = None
    wants_url: bool = False
    id: str = ""
    created: int = 0

    stream = False
    needs: frozenset[Capability] = frozenset()
    output_tokens: int | None = None

    @property
    def text_bytes(self) -> int:
        return len(self.prompt.encode("utf-8", "surrogatepass"))

    @property
    def prompt_tokens(self) -> int:
        """Estimated, see `core.tokens`."""
        return tokens.estimate(self.text_bytes)
