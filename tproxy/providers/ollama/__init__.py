"""Ollama's own API: chats whose streams are lines of JSON, and embeddings.

Its compatible side, at `/v1`, is OpenAI's dialect. Source: Ollama's API reference,
"Generate a chat completion" and "Generate embeddings"; and recorded traffic.
"""

from __future__ import annotations

from typing import Final

from tproxy.core.model import Prefill
from tproxy.core.upstream import Dialect
from tproxy.providers.ollama.chat import Chat
from tproxy.providers.ollama.embeddings import Embeddings

# A last message of the assistant's is gone on with: ollama/ollama#6778.
DIALECT: Final = Dialect(
    chat=Chat(),
    embeddings=Embeddings(),
    takes_links=False,
    prefills=frozenset({Prefill.MESSAGE}),
)
