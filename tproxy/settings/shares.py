"""`routing: shares:`, what clients of each priority can count on of a quota."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from tproxy.core.budget import Budget
from tproxy.core.model import Client, Model, Priority
from tproxy.settings import schema
from tproxy.settings.report import Report


def attach(
    said: schema.Shares,
    models: tuple[Model, ...],
    clients: tuple[Client, ...],
    report: Report,
) -> tuple[tuple[Model, ...], tuple[Client, ...]]:
    """The same, with the quotas of models shared, if there are clients of both kinds.

    A pool that models draw from is shared for clients that draw from it as well.
    """
    if not said.high:
        hint = "leave out priority: high for nothing to be kept"
        report.fault(("routing", "shares", "high"), "keeps nothing", hint)
    if len({client.priority is Priority.HIGH for client in clients}) < 2:
        return models, clients
    share, limited = float(said.high), _limited(models)

    def shared(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
        return tuple(
            attrs.evolve(budget, share=share) if budget in limited else budget
            for budget in budgets
        )

    return (
        tuple(_shared(model, shared(model.budgets)) for model in models),
        tuple(attrs.evolve(each, budgets=shared(each.budgets)) for each in clients),
    )


def _limited(models: Iterable[Model]) -> set[Budget]:
    return {budget for model in models for budget in model.budgets if budget.limits}


def _shared(model: Model, budgets: tuple[Budget, ...]) -> Model:
    by_name = {budget.name: budget for budget in budgets}
    meters = tuple(
        attrs.evolve(metered, budget=by_name[metered.budget.name])
        for metered in model.meters
    )
    return attrs.evolve(model, budgets=budgets, meters=meters)
