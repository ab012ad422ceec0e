"""Cohere's own API, version 2: chats with citations and plans, and embeddings.

Usage is what the model read and wrote (`tokens`), Cohere's own preamble included; what
is billed (`billed_units`) is less. Source: Cohere API reference, "Chat API v2", "Embed
API v2", "Errors"; and its guide "Streaming responses".
"""

from __future__ import annotations

from typing import Final

from tproxy.core.upstream import Dialect
from tproxy.providers.cohere.chat import Chat
from tproxy.providers.cohere.embeddings import Embeddings

DIALECT: Final = Dialect(chat=Chat(), embeddings=Embeddings())
