"""What happened to one request, gathered for its log line and its headers."""

from __future__ import annotations

import attrs

from tproxy.core.events import Attempt
from tproxy.core.model import Model
from tproxy.core.upstream import Usage


@attrs.define(eq=False)
class Trail:
    """Owned by one request. `broken` is set once an answer ended in an error event.

    `whole`: it has ended as it should, whatever comes now.
    `asked` is the name that the client called, "" without one; None if it is not ours.
    """

    asked: str | None = None
    attempts: list[Attempt] = attrs.field(factory=list)
    model: Model | None = None
    reason: str = ""
    usage: Usage | None = None
    broken: str | None = None  # the code told
    resumed: int = 0
    whole: bool = False
