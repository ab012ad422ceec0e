"""Events as numbers: the second reader of what the log reads first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping

import attrs

from tproxy.core.events import Event, Observer, RequestFinished
from tproxy.core.upstream import Usage
from tproxy.observe.families import (
    ATTEMPT_SECONDS,
    ATTEMPTS,
    COST,
    LEFT,
    NOTICES,
    REQUEST_SECONDS,
    REQUESTS,
    RESUMES,
    SECONDS,
    TOKENS,
)
from tproxy.observe.tallies import Tally

_MOST = 1 << 40  # tokens of one answer
_SUM = REQUEST_SECONDS.width - 1  # the cell for it, after those of the buckets

# By the name of a model: what its tokens cost, in billionths of a dollar.
Prices = Mapping[str, Callable[[int, int], int]]

_Asked = tuple[str, str | None, int, str | None, bool]
_Tried = tuple[str, str, str]
_Used = tuple[str, str | None]


@attrs.frozen(eq=False)
class Both:
    """`core.events.Observer`: two of them, one after the other."""

    _first: Observer
    _second: Observer

    def emit(self, event: Event) -> None:
        self._first.emit(event)
        self._second.emit(event)


@attrs.define(eq=False)
class Counting:
    """`core.events.Observer` that adds up in a tally.

    `route` names the route that a path leads to, out of few: paths are the clients'.
    Where a request is counted is looked up once, so that the next one costs little.
    """

    _tally: Tally
    _route: Callable[[str], str]
    afterwards: Callable[[], None] | None = None  # called after each request
    _prices: Prices = attrs.field(factory=dict, init=False)
    # Cells, by what tells them apart.
    _requests: dict[_Asked, tuple[int, int]] = attrs.field(factory=dict, init=False)
    _attempts: dict[_Tried, tuple[int, int]] = attrs.field(factory=dict, init=False)
    _answers: dict[_Used, tuple[int, int, int]] = attrs.field(factory=dict, init=False)

    def charge(self, prices: Prices) -> None:
        """From now on, answers of these models cost that much."""
        self._prices = prices
        self._answers.clear()

    def emit(self, event: Event) -> None:
        if not isinstance(event, RequestFinished):
            self._tally.add((NOTICES.name, event.level))
            return
        cells, route = self._tally.cells, self._route(event.route)
        asked = route, event.client, event.status, event.code, event.stream
        count, times = self._requests.get(asked) or self._of_request(asked)
        cells[count] += 1.0
        cells[times + bisect_left(SECONDS, event.seconds)] += 1.0
        cells[times + _SUM] += event.seconds
        for attempt in event.attempts:
            tried = attempt.model, attempt.provider, attempt.outcome
            count, times = self._attempts.get(tried) or self._of_attempt(tried)
            cells[count] += 1.0
            if times:
                cells[times + bisect_left(SECONDS, attempt.seconds)] += 1.0
                cells[times + _SUM] += attempt.seconds
        if event.left:
            self._tally.add((LEFT.name, route))
        if event.model is not None and event.usage is not None:
            self._answer(event.model, event.client, event.usage)
        if event.resumed:
            self._tally.add((RESUMES.name, event.model or ""), event.resumed)
        if self.afterwards is not None:
            self.afterwards()

    def _answer(self, model: str, client: str | None, usage: Usage) -> None:
        cells, used = self._tally.cells, (model, client)
        taken, given, spent = self._answers.get(used) or self._of_answer(used)
        prompt, completion = usage.prompt, usage.completion
        if not (0 <= prompt < _MOST and 0 <= completion < _MOST):
            return  # whoever says so has not counted
        cells[taken] += prompt
        cells[given] += completion
        if spent:
            cells[spent] += self._prices[model](prompt, completion) / 1e9

    def _of_request(self, asked: _Asked) -> tuple[int, int]:
        route, client, status, code, stream = asked
        labels = (route, client or "", str(status), code or "")
        count = self._tally.at((REQUESTS.name, *labels))
        key = (REQUEST_SECONDS.name, route, "true" if stream else "false")
        places = count, self._tally.at(key, REQUEST_SECONDS.width)
        self._requests[asked] = places
        return places

    def _of_attempt(self, tried: _Tried) -> tuple[int, int]:
        """No times are told of those that did not answer: 0."""
        model, provider, outcome = tried
        count, times = self._tally.at((ATTEMPTS.name, *tried)), 0
        if outcome == "answered":
            key = (ATTEMPT_SECONDS.name, model, provider)
            times = self._tally.at(key, ATTEMPT_SECONDS.width)
        self._attempts[tried] = count, times
        return count, times

    def _of_answer(self, used: _Used) -> tuple[int, int, int]:
        """No cost is told of models without a price: 0."""
        of, at = (used[0], used[1] or ""), self._tally.at
        taken, given = (at((TOKENS.name, *of, way)) for way in ("input", "output"))
        spent = at((COST.name, *of)) if used[0] in self._prices else 0
        self._answers[used] = taken, given, spent
        return taken, given, spent
