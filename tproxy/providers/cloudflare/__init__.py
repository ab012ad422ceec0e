"""Cloudflare Workers AI by its native `run` endpoint, directly or by an AI Gateway.

Its OpenAI-compatible endpoint is asked in the dialect `openai`. Source: Cloudflare
documentation, "Workers AI" and "AI Gateway"; and recorded traffic.
"""

from __future__ import annotations

from typing import Final

from tproxy.core.upstream import Dialect
from tproxy.providers.cloudflare.chat import Chat
from tproxy.providers.cloudflare.embeddings import Embeddings
from tproxy.providers.cloudflare.images import Images

DIALECT: Final = Dialect(
    chat=Chat(),
    images=Images(),
    embeddings=Embeddings(),
    takes_links=False,
    draws_singly=True,
)
