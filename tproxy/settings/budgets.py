"""Budgets of models, providers and clients, by the window keys they have."""

from __future__ import annotations

from collections.abc import Iterable

from tproxy.core.budget import COUNTED, Budget, Limit, Outcome, Unit
from tproxy.settings import schema, windows
from tproxy.settings.amounts import SPANS
from tproxy.settings.facts import Quota
from tproxy.settings.report import Report, Where
from tproxy.settings.windows import OF_THE_CALENDAR, UTC

_KEYS = tuple(
    (f"{unit.value}_per_{span}", unit, span)
    for unit in (Unit.REQUESTS, Unit.TOKENS)
    for span in SPANS
)


def shared(
    name: str, said: schema.Access, quota: Quota, where: Where, report: Report
) -> Budget:
    """The budget of a model or provider, whose quota is like `quota`."""
    zone = _zone(said, quota, where, report)
    return _budget(name, said, zone, outcomes(quota.counts))


def personal(name: str, said: schema.Client) -> Budget:
    """The budget of a client."""
    return _budget(name, said, UTC, COUNTED, said.max_concurrent)


def outcomes(words: Iterable[schema.Counted]) -> frozenset[Outcome]:
    """What `counts` says."""
    return frozenset(Outcome(word) for word in words)


def _budget(
    name: str,
    said: schema.Budgeted,
    zone: str,
    counts: frozenset[Outcome],
    max_concurrent: int | None = None,
) -> Budget:
    amounts: list[tuple[Unit, str, int | None]] = [
        (unit, span, getattr(said, key)) for key, unit, span in _KEYS
    ]
    limits = tuple(
        Limit(unit, amount, windows.usual(span, zone))
        for unit, span, amount in amounts
        if amount is not None
    )
    return Budget(name, limits, max_concurrent, counts)


def _zone(said: schema.Access, quota: Quota, where: Where, report: Report) -> str:
    if said.resets is None:
        return quota.resets
    place = (*where, "resets")
    if not any(
        getattr(said, key) is not None or report.at_fault((*where, key))
        for key, _, span in _KEYS
        if span in OF_THE_CALENDAR
    ):
        problem = "there is no limit per day, week or month here that it could reset"
        report.fault(place, problem)
    elif windows.check_zone(said.resets, place, report):
        return said.resets
    return quota.resets
