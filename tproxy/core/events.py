"""What can be observed, as values: a log, a metric and a test are equal readers.

No event holds a prompt, an answer, a key or an upstream URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs

from tproxy.core.upstream import Usage
from tproxy.core.values import value


@value
class Attempt:
    """One candidate asked.

    `outcome` is "answered", "left" where the client went away, "outrun" where another
    candidate, asked at the same time, began first, or a failure's name.
    """

    model: str
    provider: str
    outcome: str
    seconds: float
    detail: str = ""


@value
class RequestFinished:
    """One client request, from its first byte to its last."""

    request_id: str
    client: str | None
    method: str
    route: str
    status: int
    seconds: float
    model: str | None = None  # that answered
    reason: str = ""
    stream: bool = False
    code: str | None = None  # of the error told, if any
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    left: bool = False  # the client went away first
    asked: str | None = None  # a name of ours that the client called; "" without one
    resumed: int = 0  # times that it went on with another model


@attrs.frozen
class Notice:
    """Something an operator should see: a start, a reload, a fault of our own."""

    level: str  # "info", "warning" or "error"
    message: str
    fields: Mapping[str, str | int | float] = attrs.field(factory=dict)


Event = RequestFinished | Notice


class Observer(Protocol):
    """Is told of events. May neither block nor raise."""

    def emit(self, event: Event) -> None: ...
