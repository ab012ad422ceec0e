"""Hugging Face's own servers: pictures as bytes, and chats of OpenAI's shape.

What the router passes on to partners is asked in the dialect `openai`. Source: Hugging
Face documentation, "Inference Providers, text to image"; its Python client.
"""

from __future__ import annotations

from typing import Final

from tproxy.core.upstream import Dialect
from tproxy.providers.huggingface.images import Images
from tproxy.providers.openai import OpenAI
from tproxy.providers.shaped.normalising import normalised

DIALECT: Final = normalised(Dialect(chat=OpenAI(), images=Images(), draws_singly=True))
