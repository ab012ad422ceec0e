"""Orders among eligible candidates."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.selection import Candidate


@attrs.frozen
class PriorityThenIdlest:
    """Lower priority number first; among equals, the one used longest ago."""

    def rank(
        self, chat: ChatRequest, candidates: Sequence[Candidate]
    ) -> tuple[Candidate, ...]:
        if len(candidates) < 2:
            return tuple(candidates)
        return tuple(sorted(candidates, key=lambda c: (c.model.priority, c.turn)))
