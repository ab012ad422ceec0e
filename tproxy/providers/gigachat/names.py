"""Names of functions: GigaChat takes letters, digits and _, OpenAI's clients also -."""

from __future__ import annotations

import re

from tproxy.core import wishes
from tproxy.core.chat import ChatRequest

_OTHER = re.compile(r"\W", re.ASCII)


def spelt(name: str) -> str:
    """`name` as GigaChat can read it; names that it can stay as they are."""
    said = _OTHER.sub("_", name)
    return f"_{said}" if said[:1].isdecimal() else said


def meant(said: str, asked: ChatRequest) -> str:
    """The client's own name of the function that GigaChat calls `said`."""
    names = [tool.name for tool in wishes.read(asked).tools]
    return next((name for name in names if spelt(name) == said), said)
