"""How budgets, breakers and models stand at one moment, as samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import attrs

from tproxy.core.breaker import BreakerState, State
from tproxy.core.budget import Unit
from tproxy.core.leases import BudgetState, LimitState
from tproxy.core.model import Model
from tproxy.observe.exposition import Metric, Sample
from tproxy.observe.families import (
    AGE,
    AVAILABLE,
    BREAKER,
    BREAKER_REST,
    DRIFT,
    LEASES,
    LIMIT,
    MAX_LEASES,
    REMAINING,
    RESETS,
    RESTING,
    SOURCE,
    USED,
)

Told = tuple[Metric, list[Sample]]


@attrs.define(eq=False)
class Budgets:
    """Gathers their samples, budget after budget, each name once."""

    _told: dict[Metric, list[Sample]] = attrs.field(init=False)
    _seen: set[str] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        figures = (LIMIT, USED, REMAINING, RESETS, DRIFT, SOURCE, AGE)
        self._told = {each: [] for each in (*figures, LEASES, MAX_LEASES, RESTING)}

    def take(self, states: Iterable[BudgetState]) -> None:
        for state in states:
            labels = LEASES.labelled((state.name,))
            if labels in self._seen:
                continue
            self._seen.add(labels)
            self._told[LEASES].append((labels, (state.under_way,)))
            self._told[RESTING].append((labels, (state.resting_for,)))
            if state.max_concurrent is not None:
                self._told[MAX_LEASES].append((labels, (state.max_concurrent,)))
            for limit in state.limits:
                self._limit(state.name, limit)

    def __iter__(self) -> Iterator[Told]:
        yield from self._told.items()

    def _limit(self, budget: str, state: LimitState) -> None:
        limit, told = state.limit, self._told
        in_dollars = limit.unit is Unit.SPEND
        unit = "usd" if in_dollars else limit.unit.value
        labels = LIMIT.labelled((budget, unit, limit.window.label))
        if labels in self._seen:  # a minute that rolls, and one by the clock
            labels = LIMIT.labelled((budget, unit, limit.window.key))
        self._seen.add(labels)
        figures = {
            LIMIT: limit.usable,
            USED: state.used,
            REMAINING: state.left,
            DRIFT: state.drift,
        }
        for metric, figure in figures.items():
            told[metric].append((labels, (figure / 1e9 if in_dollars else figure,)))
        told[RESETS].append((labels, (state.resets_in,)))
        told[AGE].append((labels, (state.age,)))
        told[SOURCE].append((f'{labels},source="{state.source.value}"', (1,)))


def breakers(models: Sequence[Model], states: Sequence[BreakerState]) -> Iterator[Told]:
    """Each state of each model's breaker, and for how long it rests."""
    shown: list[Sample] = []
    rests: list[Sample] = []
    for model, breaker in zip(models, states, strict=True):
        labels = BREAKER_REST.labelled((model.name, model.provider))
        rests.append((labels, (breaker.resting_for,)))
        shown += [
            (f'{labels},state="{state.value}"', (breaker.state is state,))
            for state in State
        ]
    yield BREAKER, shown
    yield BREAKER_REST, rests


def availability(
    models: Sequence[Model], waits: Sequence[float], states: Sequence[BreakerState]
) -> Told:
    """Whether a small request would be taken, as far as quotas and breakers go."""
    return AVAILABLE, [
        (
            AVAILABLE.labelled(
                (model.name, model.provider, model.category or "", model.kind.value)
            ),
            (model.obstacle is None and wait <= 0 and breaker.resting_for <= 0,),
        )
        for model, wait, breaker in zip(models, waits, states, strict=True)
    ]
