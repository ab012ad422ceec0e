"""`models:`, complete and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping

from tproxy.core.errors import ConfigError
from tproxy.core.model import (
    ALL_CAPABILITIES,
    Capability,
    Kind,
    Model,
    Prefill,
    Price,
)
from tproxy.settings import budgets, health, meters, schema, throttles
from tproxy.settings.accounts import NOT_VISIBLE, VISIBLE, Account, named
from tproxy.settings.dialects import Dialects, makes
from tproxy.settings.endpoint import Endpoint
from tproxy.settings.expansion import Expansion
from tproxy.settings.pools import Pools
from tproxy.settings.presets import presets
from tproxy.settings.report import Report, Where, printable
from tproxy.settings.upstreams import Asking

_NOT_YET = "not built yet in this version"


def resolve(
    said: Mapping[int, schema.Model],
    accounts: Mapping[str, Account],
    pools: Pools,
    expansion: Expansion,
    dialects: Dialects,
    report: Report,
) -> tuple[Model, ...]:
    """Every model that can be made; faults say why another could not."""
    _check_names(said, report)
    drawn = {
        name: pools.of(account.said, account.where, report)
        for name, account in accounts.items()
    }
    words = {*presets(), *accounts}
    models = []
    for index, model in said.items():
        where: Where = ("models", index)
        account = named(model.provider, accounts)
        asking = Asking(model, where, account, words, expansion, dialects, report)
        asking.check()
        at = asking.endpoint()
        _check_words(model, where, report)
        upstream_name = _upstream_name(model, account, where, report)
        quota = account.preset.quota
        own = budgets.shared(f"model/{model.name}", model, quota, where, report)
        taken = (
            *(own, *account.budgets),
            *pools.of(model, where, report),
            *drawn.get(account.name, ()),
        )
        price = _price(model, where, report)
        if at is None:
            continue
        models.append(
            Model(
                model.name,
                model.provider,
                upstream_name,
                asking.upstream(at),
                aliases=model.aliases,
                priority=model.priority,
                weight=model.weight or 1.0,
                category=model.model_size,
                max_request_length=model.max_request_length,
                context_tokens=model.context_tokens,
                max_output_tokens=model.max_output_tokens,
                capabilities=_capabilities(model),
                obstacle=_obstacle(at, model, account, dialects, where, report),
                kind=at.kind,
                strict=model.unsupported == "refuse",
                budgets=tuple(dict.fromkeys(taken)),
                throttle=throttles.resolve(asking),
                check=health.resolve(asking, at),
                price=price,
                resume=model.resume,
                prefill=_prefill(at, model, dialects, where, report),
                normalise=_normalise(at, asking),
            )
        )
    used = {model.provider for model in said.values()}
    for account in accounts.values():
        if account.name not in used:
            _check_unused(account, expansion, dialects, report)
    _check_resume(said, report)
    return meters.attach(models, accounts)


def _check_names(said: Mapping[int, schema.Model], report: Report) -> None:
    """Names and aliases are unique, and never a category."""
    categories = {model.model_size for model in said.values()}
    taken: dict[str, str] = {}
    for index, model in said.items():
        where: Where = ("models", index)
        places = [(model.name, (*where, "name"), f"the name of models[{index}]")]
        places += [
            (alias, (*where, "aliases", number), f"an alias of models[{index}]")
            for number, alias in enumerate(model.aliases)
        ]
        for name, place, owner in places:
            if not VISIBLE(name):
                report.fault(place, NOT_VISIBLE)
            elif name in categories:
                report.fault(place, f"'{name}' is a model_size here: it means them all")
            elif name in taken:
                report.fault(place, f"'{printable(name)}' is already {taken[name]}")
            taken.setdefault(name, owner)


def _check_words(model: schema.Model, where: Where, report: Report) -> None:
    if not VISIBLE(model.provider):
        report.fault((*where, "provider"), NOT_VISIBLE)
    if model.model_size is not None and not VISIBLE(model.model_size):
        report.fault((*where, "model_size"), NOT_VISIBLE)


def _upstream_name(
    model: schema.Model, account: Account, where: Where, report: Report
) -> str:
    if model.upstream_name is not None:
        if not model.upstream_name.strip():
            report.fault((*where, "upstream_name"), "an empty name")
        return model.upstream_name
    stripped = account.stripped(model.name)
    if not stripped:
        problem = "nothing is left of the name without its provider"
        report.fault((*where, "name"), problem, "or give an upstream_name")
    return stripped


def _capabilities(model: schema.Model) -> frozenset[Capability]:
    own = ALL_CAPABILITIES
    if model.capabilities is not None:
        own = frozenset(Capability(word) for word in model.capabilities)
    return own if model.prefill is None else own | {Capability.PREFILL}


def _prefill(
    at: Endpoint,
    model: schema.Model,
    dialects: Dialects,
    where: Where,
    report: Report,
) -> Prefill | None:
    """How it is told to go on from a text; a fault where its dialect has no words."""
    if model.prefill is None or at.dialect not in dialects:
        return None
    try:
        way, ways = Prefill(model.prefill), dialects[at.dialect].prefills
    except ConfigError:  # is told of as an obstacle
        return None
    if at.kind is not Kind.CHAT:
        report.fault((*where, "prefill"), "only chats are gone on with")
    elif way not in ways:
        said = ", ".join(each.value for each in Prefill if each in ways) or "none"
        problem = f"the dialect {at.dialect} cannot say '{way.value}'"
        report.fault((*where, "prefill"), problem, f"of these, it can: {said}")
    return way


def _normalise(at: Endpoint, asking: Asking) -> bool:
    """Dialects that are translated are so anyway; a provider may have image models."""
    said, place = asking.inherited("normalise", lambda access: access.normalise)
    if at.kind is Kind.IMAGE and asking.said.normalise:
        asking.report.warn(place, "it is of no use for images")
    return said or False


def _check_resume(said: Mapping[int, schema.Model], report: Report) -> None:
    if any(model.prefill is not None for model in said.values()):
        return
    for index, model in said.items():
        if model.resume:
            problem = "no model here could go on: none declares 'prefill'"
            report.warn(("models", index, "resume"), problem)


def _price(model: schema.Model, where: Where, report: Report) -> Price | None:
    said = model.price
    if said is None:
        return None
    if said.output is None and model.kind in (None, "chat"):
        place = (*where, "price", "output")
        report.fault(place, "'output' is missing", "0 is free")
    cached = said.input if said.cached_input is None else said.cached_input
    return Price(said.input, cached, said.output or 0.0)


def _obstacle(
    at: Endpoint,
    model: schema.Model,
    account: Account,
    dialects: Dialects,
    where: Where,
    report: Report,
) -> str | None:
    """Why the model cannot be asked yet, in words for the client; with a warning."""
    if model.kind is not None and model.kind != at.kind.value:
        report.fault((*where, "kind"), f"the url is one for {at.kind.value} models")
    try:
        if makes(dialects, at.dialect, at.kind):
            return None
    except ConfigError as error:
        for fault in error.faults:
            report.fault_elsewhere(fault)
        return None
    hint = ""
    if at.dialect not in dialects:
        obstacle = f"{account.preset.title}'s own dialect is {_NOT_YET}"
    else:
        obstacle = f"{at.kind.value} models of the dialect {at.dialect} are {_NOT_YET}"
        told = model.kind is not None or at.url.endswith("/images/generations")
        if at.kind is Kind.IMAGE and not told:
            hint = "with neither model_size nor max_request_length it is for images"
    report.warn(
        where, f"'{printable(model.name)}' is listed but never asked: {obstacle}", hint
    )
    return obstacle


def _check_unused(
    account: Account, expansion: Expansion, dialects: Dialects, report: Report
) -> None:
    problem = f"no model here is of the provider '{printable(account.name)}'"
    report.warn(account.where, problem)
    entry = schema.Model(name=account.name, provider=account.name)
    where = account.where
    Asking(entry, where, account, (), expansion, dialects, report).check_unused()
