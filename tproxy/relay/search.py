"""One request looking for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from tproxy.core.catalog import Asked
from tproxy.core.errors import UpstreamFailed
from tproxy.core.hedging import Hedging
from tproxy.core.model import Client
from tproxy.core.request import Request
from tproxy.core.selection import Candidate, Exclusion
from tproxy.relay.budget import Repeats
from tproxy.relay.fare import Fare
from tproxy.relay.linking import Linking
from tproxy.relay.queues import Turn
from tproxy.relay.trail import Trail

# Who is to be asked: when, in which order, who, and the how manieth repeat.
Place = tuple[float, int, Candidate, int]

_NO_FIGURES: Mapping[str, float] = MappingProxyType({})


@attrs.define(eq=False)
class Search:
    """One request on its way to an answer, and what has come of it so far.

    `line` is a heap. `repeats` are made for the first. `turn` is that in the line for
    quota, if it had to wait there. `fare` is what it has taken from its client's
    limits, if there are any. `hedging` is that of its category, where a second
    candidate may be asked besides; `hedged`, once one was, says so in words. `figures`
    are what models were compared by, if not by priority.
    """

    request: Request
    client: Client
    trail: Trail
    asked: Asked
    deadline: float
    repeats: Repeats | None = None
    linking: Linking | None = None
    turn: Turn | None = None
    fare: Fare | None = None
    hedging: Hedging | None = None
    hedged: str = ""
    excluded: tuple[Exclusion, ...] = ()
    figures: Mapping[str, float] = _NO_FIGURES
    line: list[Place] = attrs.field(factory=list)
    failed: dict[str, UpstreamFailed] = attrs.field(factory=dict)
