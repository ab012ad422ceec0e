"""Choosing among candidates, as values."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Protocol

import attrs

from tproxy.core.model import Model
from tproxy.core.request import Request
from tproxy.core.values import value


@value
class Candidate:
    """A model and what is known of it at this moment.

    `free_in`: seconds until its quotas have room, 0 if they do. `resting_for`: seconds
    until its breaker lets a request through, 0 if it does. `turn` grows with each use
    of any model; the smallest is the longest idle. `figure` is what it is compared by,
    the least the best; 0 where that is priority.
    """

    model: Model
    free_in: float = 0.0
    resting_for: float = 0.0
    turn: int = 0
    figure: float = 0.0

    def figured(self, figure: float) -> Candidate:
        return Candidate(self.model, self.free_in, self.resting_for, self.turn, figure)


class Why(enum.Enum):
    """Why a candidate is passed over."""

    UNSUPPORTED = "cannot be served by this version"
    NOT_ALLOWED = "not for this client"
    OTHER_KIND = "of another kind"
    TOO_LONG = "request too long"
    INCAPABLE = "lacks a capability"
    QUOTA = "quota spent"
    OWN_LIMIT = "the caller's own limit is spent"
    BUSY = "as many requests are under way as may be"
    UNCOUNTED = "its quota cannot be counted at this moment"
    RESTING = "resting after failures"


@attrs.frozen
class Exclusion:
    """A candidate passed over. `wait`: seconds until that changes, if it will."""

    model: Model
    why: Why
    detail: str
    wait: float | None = None


@value
class Selection:
    """Candidates in the order to ask them, and those passed over."""

    ranked: tuple[Candidate, ...]
    excluded: tuple[Exclusion, ...] = ()


class Strategy(Protocol):
    """An order among eligible candidates, best first. Pure, so a test is a table."""

    def rank(
        self, request: Request, candidates: Sequence[Candidate]
    ) -> tuple[Candidate, ...]: ...
