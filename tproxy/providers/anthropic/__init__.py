"""Anthropic's Messages API.

Source: Anthropic API reference, "Messages", "Streaming messages", "Errors"; and its
guides to extended and adaptive thinking, effort and structured outputs.
"""

from __future__ import annotations

from typing import Final

from tproxy.core.model import Prefill
from tproxy.core.upstream import Dialect
from tproxy.providers.anthropic.chat import Chat

DIALECT: Final = Dialect(chat=Chat(), prefills=frozenset({Prefill.MESSAGE}))
