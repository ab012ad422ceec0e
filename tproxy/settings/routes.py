"""`routing:`, with its names checked against those that there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from tproxy.core.model import Model, Routing
from tproxy.core.strategy import By
from tproxy.settings import schema
from tproxy.settings.document import Document
from tproxy.settings.report import Report, Where, near, printable

_PLACE: Where = ("routing", "fallbacks")


def resolve(
    said: schema.Routing,
    models: Collection[Model],
    names: Collection[str],
    categories: Collection[str],
    report: Report,
) -> Routing:
    """`names` and `categories` are all that stand in the file, usable or not."""
    own = {alias: model.name for model in models for alias in model.aliases}
    fallbacks: dict[str, tuple[str, ...]] = {}
    for key, chain in said.fallbacks.items():
        where: Where = (*_PLACE, key)
        name = own.get(key, key)
        if key not in names:
            problem = "a category, and fallbacks are for named models"
            if key not in categories:
                problem = "no model has this name"
            report.fault(where, f"'{printable(key)}': {problem}", near(key, names))
        elif name in fallbacks:
            report.fault(where, f"'{printable(name)}' has fallbacks already")
        fallbacks[name] = tuple(own.get(after, after) for after in chain)
        _check_chain(name, fallbacks[name], where, {*names, *categories}, report)
    _check_hedge(said.hedge, names, categories, report)
    waits = said.on_exhausted == "wait"
    return Routing(
        said.deadline_seconds,
        fallbacks,
        wait_seconds=said.wait_seconds if waits else 0.0,
        max_waiting=said.max_waiting,
        hedge=frozenset(said.hedge),
        by=By(said.strategy),
    )


def check_strategy(
    said: Document, models: Collection[Model], routing: Routing, report: Report
) -> None:
    """Warn of weights that nobody goes by, and of models without a price to go by."""
    if routing.by is not By.WEIGHTED:
        for index, model in said.models.items():
            if model.weight is not None:
                problem = f"the strategy '{routing.by.value}' does not go by weights"
                hint = "routing: {strategy: weighted}"
                report.warn(("models", index, "weight"), problem, hint)
    if routing.by is not By.COST:
        return
    in_turn = {name for chain in routing.fallbacks.values() for name in chain}
    sizes = Counter(model.category for model in models if model.category)
    compared = in_turn | {category for category, size in sizes.items() if size > 1}
    unpriced = [
        f"'{printable(model.name)}'"
        for model in models
        if model.price is None and not compared.isdisjoint((model.name, model.category))
    ]
    if unpriced:
        problem = f"without a price a model comes last, and {unpriced[0]} has none"
        if len(unpriced) > 1:
            problem = f"{problem}, nor {len(unpriced) - 1} more"
        hint = "price, which is 0 for input and output if it is free"
        report.warn(("routing", "strategy"), problem, hint)


def _check_chain(
    name: str,
    chain: tuple[str, ...],
    where: Where,
    known: Collection[str],
    report: Report,
) -> None:
    for index, after in enumerate(chain):
        if after not in known:
            problem = f"'{printable(after)}' is neither a model nor a category here"
            report.fault((*where, index), problem, near(after, known))
        elif after == name:
            report.fault((*where, index), f"'{printable(name)}' stands in for itself")


def _check_hedge(
    hedge: Iterable[str],
    names: Collection[str],
    categories: Collection[str],
    report: Report,
) -> None:
    for index, category in enumerate(hedge):
        if category in categories:
            continue
        problem = "is no category here"
        if category in names:
            problem = "is a model, and hedging is for categories"
        hint = near(category, categories)
        report.fault(
            ("routing", "hedge", index), f"'{printable(category)}' {problem}", hint
        )
