"""One request looking for an answer."""

from __future__ import annotations

import attrs

from tproxy.core.catalog import Asked
from tproxy.core.errors import UpstreamFailed
from tproxy.core.model import Client
from tproxy.core.request import Request
from tproxy.core.selection import Exclusion
from tproxy.relay.linking import Linking
from tproxy.relay.trail import Trail


@attrs.define(eq=False)
class Search:
    """One request on its way to an answer, and what has come of it so far."""

    request: Request
    client: Client
    trail: Trail
    asked: Asked
    deadline: float
    linking: Linking | None = None
    excluded: list[Exclusion] = attrs.field(factory=list)
    failed: dict[str, UpstreamFailed] = attrs.field(factory=dict)
