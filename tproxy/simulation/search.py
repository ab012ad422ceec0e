"""One request of a log looking for an answer again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs

from tproxy.core import failures
from tproxy.core.catalog import Asked
from tproxy.core.events import Attempt
from tproxy.core.failures import Failure
from tproxy.core.leases import Denial
from tproxy.core.model import Client, Model
from tproxy.relay.cost import Purse
from tproxy.relay.criteria import Prospect
from tproxy.relay.fare import Fare
from tproxy.simulation.record import Record

ROWS = {row.name: row for row in vars(failures).values() if isinstance(row, Failure)}
GIVEN_UP = ("left", "outrun")
_ANSWERED = ("answered", *GIVEN_UP)


@attrs.define(eq=False)
class Search:
    """What came of it so far. `stranger`: the configuration has no such client.

    `tokens` and `seconds` are those of the log, or else what is usual.
    """

    record: Record
    asked: Asked
    client: Client
    tokens: tuple[int, int]
    seconds: float
    stranger: bool
    attempts: dict[str, deque[Attempt]] = attrs.field(factory=dict, init=False)
    fare: Fare | None = attrs.field(default=None, init=False)
    failed: dict[str, Failure] = attrs.field(factory=dict, init=False)
    denials: list[Denial] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        for attempt in self.record.attempts:
            self.attempts.setdefault(attempt.model, deque()).append(attempt)

    def able(self, models: Iterable[Model]) -> list[Model]:
        """Those whose context window holds it; who answered once was able."""
        length, answered = sum(self.tokens), self.record.model
        return [
            model
            for model in models
            if model.context_tokens is None
            or model.context_tokens >= length
            or model.name == answered
        ]

    def prospect(self, model: Model, purse: Purse) -> Prospect:
        """What asking a model comes to, since the log tells."""
        return Prospect(model, *self.tokens, purse.cost(*self.tokens))

    def next_attempt(self, model: Model) -> Attempt | None:
        """What the log says of asking it, once for each time that it was asked."""
        left = self.attempts.get(model.name)
        return left.popleft() if left else None

    def failure(self, attempt: Attempt | None) -> Failure | None:
        """Why there was no answer; None where one began, or may have begun."""
        if attempt is None or attempt.outcome in _ANSWERED:
            return None
        # The model of a record is the one that began to answer, if it broke off too.
        last = not self.attempts.get(attempt.model)
        if last and attempt.model == self.record.model:
            return None
        return ROWS.get(attempt.outcome, failures.UNEXPECTED)


@attrs.define(eq=False)
class Usual:
    """What requests have needed on average, for those of which nothing is told."""

    _answers: int = 0
    _prompt: int = 0
    _completion: int = 0
    _seconds: float = 0.0

    def learn(self, record: Record) -> None:
        if record.model is not None and record.tokens is not None:
            self._answers += 1
            self._prompt += record.tokens[0]
            self._completion += record.tokens[1]
            self._seconds += record.seconds

    def tokens(self, record: Record) -> tuple[int, int]:
        if record.tokens is not None or not self._answers:
            return record.tokens or (0, 0)
        count = self._answers
        return round(self._prompt / count), round(self._completion / count)

    def seconds(self, record: Record) -> float:
        if record.model is not None or not self._answers:
            return record.seconds
        return self._seconds / self._answers
