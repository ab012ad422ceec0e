"""Which headers of a provider's replies tell of which budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import attrs

from tproxy.core.budget import Budget
from tproxy.core.meters import Meter, Metered
from tproxy.core.model import Model
from tproxy.settings import facts
from tproxy.settings.accounts import Account, named
from tproxy.settings.amounts import SPANS
from tproxy.settings.presets import Preset


def attach(
    models: Iterable[Model], accounts: Mapping[str, Account]
) -> tuple[Model, ...]:
    """Each with what its provider's headers tell of its budgets.

    They speak of one quota of one provider, and so of no budget that others draw from.
    """
    companies = [(model, named(model.provider, accounts).preset) for model in models]
    drawing: dict[Budget, set[tuple[str, str]]] = {}
    for model, company in companies:
        for budget in model.budgets:
            drawing.setdefault(budget, set()).add(_quota(model, company))
    return tuple(
        attrs.evolve(
            model,
            meters=tuple(
                Metered(budget, meters)
                for budget in model.budgets
                if len(drawing[budget]) == 1
                and (meters := tuple(_telling(company.meters, budget)))
            ),
        )
        for model, company in companies
    )


def _quota(model: Model, company: Preset) -> tuple[str, str]:
    """Whose it is, as far as a header can know: the company's word, and a model."""
    own = company.quota.scope == "model"
    return company.word, model.upstream_name if own else ""


def _telling(known: Iterable[facts.Meter], budget: Budget) -> Iterator[Meter]:
    for meter in known:
        for limit in budget.limits:
            unit, window = limit.unit, limit.window
            if meter.of == unit.value and SPANS[meter.per] == window.seconds:
                names = (meter.left, meter.limit or "", meter.reset or "")
                yield Meter(unit, window, *names)
