"""Orders among eligible candidates."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import attrs

from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Strategy
from tproxy.core.strategy import By

_PLACE = attrgetter("model.priority", "turn")
_FIGURE = attrgetter("figure", "model.priority", "turn")


@attrs.frozen
class PriorityThenIdlest:
    """Lower priority number first; among equals, the one used longest ago."""

    def rank(
        self, request: Request, candidates: Sequence[Candidate]
    ) -> tuple[Candidate, ...]:
        if len(candidates) < 2:
            return tuple(candidates)
        return tuple(sorted(candidates, key=_PLACE))


@attrs.frozen
class LeastFigure:
    """What they are compared by decides; among equals, as above."""

    def rank(
        self, request: Request, candidates: Sequence[Candidate]
    ) -> tuple[Candidate, ...]:
        return tuple(sorted(candidates, key=_FIGURE))


def strategy(by: By) -> Strategy:
    """The order for what candidates are compared by."""
    return PriorityThenIdlest() if by is By.PRIORITY else LeastFigure()
