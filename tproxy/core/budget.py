"""Quotas as declared: budgets, their limits, and what a request costs them."""

from __future__ import annotations

import enum
import math
from fractions import Fraction

import attrs
from attrs import validators

from tproxy.core.values import value
from tproxy.core.windows import Window


class Unit(enum.Enum):
    """What is counted."""

    __hash__ = object.__hash__  # each is one object, and Enum's own is a slow call

    REQUESTS = "requests"
    TOKENS = "tokens"
    SPEND = "spend"  # billionths of a US dollar


class Outcome(enum.Enum):
    """How a request ended that had reached its provider."""

    __hash__ = object.__hash__  # as above

    ANSWER = "answers"  # 2xx
    ERROR = "errors"  # anything else that was worked on
    REFUSAL = "refusals"  # 429


COUNTED = frozenset({Outcome.ANSWER, Outcome.ERROR})


@value
class Cost:
    """What one request takes: reserved as an estimate, settled as it was.

    `high` is whether a client of high priority asks, who draws on the share of these.
    """

    requests: int = 1
    tokens: int = 0
    spend: int = 0  # billionths of a US dollar
    high: bool = False

    def of(self, unit: Unit) -> int:
        if unit is Unit.REQUESTS:
            return self.requests
        return self.tokens if unit is Unit.TOKENS else self.spend

    def times(self, many: int) -> Cost:
        """What so many like it take."""
        spend = self.spend * many
        return Cost(self.requests * many, self.tokens * many, spend, self.high)


ONE = Cost()
ONE_HIGH = Cost(high=True)
LEAST = Cost(1, 1, 1)  # that any request takes of what is counted
LEAST_HIGH = Cost(1, 1, 1, high=True)


@attrs.frozen
class Limit:
    """At most `amount` in a window, of which `kept` are for the account's owner."""

    unit: Unit
    amount: int = attrs.field(validator=validators.gt(0))
    window: Window
    kept: int = 0

    @property
    def usable(self) -> int:
        return self.amount - self.kept

    @property
    def label(self) -> str:
        return f"{self.unit.value} per {self.window.label}"

    def with_headroom(self, share: Fraction) -> Limit:
        """With that share kept back, rounded up: a tenth of 15 leaves 13."""
        return attrs.evolve(self, kept=math.ceil(self.amount * share))


@attrs.frozen(cache_hash=True)
class Budget:
    """A named quota: of a model, a credential, an account or a client.

    Counters belong to the name: the same name with other limits goes on counting.
    `counts` are the outcomes that use it up. `max_concurrent` bounds what is under way.
    `share` is the part of each limit that requests of high priority can count on while
    they ask for it, as all others can on the rest; without it, who comes first has it.
    """

    name: str
    limits: tuple[Limit, ...] = ()
    max_concurrent: int | None = attrs.field(
        default=None, validator=validators.optional(validators.gt(0))
    )
    counts: frozenset[Outcome] = COUNTED
    share: float | None = None
