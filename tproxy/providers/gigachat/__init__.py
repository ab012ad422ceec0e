"""GigaChat, in both of its contracts: v1, and v2 where the URL says so.

Source: Sber's REST reference, "POST /chat/completions", its v2, "POST /embeddings" and
"GET /files/{id}/content"; and what its own Python client does.
"""

from __future__ import annotations

from typing import Final

from tproxy.core.upstream import Dialect
from tproxy.providers.gigachat.chat import Chat
from tproxy.providers.gigachat.embeddings import Embeddings
from tproxy.providers.gigachat.images import Images

DIALECT: Final = Dialect(
    chat=Chat(), images=Images(), embeddings=Embeddings(), draws_singly=True
)
