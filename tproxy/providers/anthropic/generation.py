"""What a model can be told, by its generation, which is in its name.

Source: Anthropic's release notes and migration guides for each model.
"""

from __future__ import annotations

import re

import attrs

_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2})(?!\d))?").search
_NEWEST = (99, 0)
# What else speaks this dialect took it over when 3.7 was new.
_COMPATIBLE = (3, 7)


@attrs.frozen
class Generation:
    """`version` is (4, 5) in "claude-opus-4-5-20251101"."""

    version: tuple[int, int]

    @classmethod
    def of(cls, name: str) -> Generation:
        found = _CLAUDE(name)
        if found is not None:
            return cls((int(found[1]), int(found[2] or 0)))
        return cls(_NEWEST if "claude" in name else _COMPATIBLE)

    @property
    def thinks(self) -> bool:
        return self.version >= (3, 7)

    @property
    def adapts(self) -> bool:
        """Whether it decides how much to think, guided by an effort, not a budget."""
        return self.version >= (4, 6)

    @property
    def is_silent(self) -> bool:
        """Whether it keeps its thoughts to itself unless told otherwise."""
        return self.version >= (4, 7)

    @property
    def knows_xhigh(self) -> bool:
        """Whether an effort of "xhigh" is one."""
        return self.version >= (4, 7)

    @property
    def samples(self) -> bool:
        """Whether it takes any temperature, `top_p` or `top_k` but its own."""
        return self.version < (4, 7)

    @property
    def samples_both_ways(self) -> bool:
        """Whether it takes a temperature and `top_p` together."""
        return self.version < (4, 1)

    @property
    def knows_schemas(self) -> bool:
        """Whether its answers, and its calls of tools, can be bound to a schema."""
        return self.version >= (4, 5)
