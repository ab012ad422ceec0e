"""`pools:`, quotas of an account or project, and who draws from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping

import attrs

from tproxy.core.budget import Budget, Limit, Outcome, Unit
from tproxy.core.model import Client, Model
from tproxy.settings import budgets, schema, windows
from tproxy.settings.accounts import NOT_VISIBLE, VISIBLE, Account, named
from tproxy.settings.document import Document
from tproxy.settings.facts import Quota
from tproxy.settings.report import Report, Where, near, printable

_DECLARE = "pools: declares them"
_BILLION = 1_000_000_000

Groups = dict[frozenset[Outcome], list[Limit]]


@attrs.frozen
class Pools:
    """The budgets of each pool. `names` are of all, also of those with faults."""

    budgets: Mapping[str, tuple[Budget, ...]]
    names: frozenset[str]

    def of(
        self, said: schema.Budgeted, where: Where, report: Report
    ) -> tuple[Budget, ...]:
        """What `said` draws from."""
        found: list[Budget] = []
        for name, place in _drawn(said, where):
            if name not in self.names:
                known = f"known: {', '.join(map(printable, sorted(self.names)))}"
                hint = near(name, self.names) or (known if self.names else _DECLARE)
                report.fault(place, f"there is no pool '{printable(name)}'", hint)
            found += self.budgets.get(name, ())
        return tuple(dict.fromkeys(found))


def resolve(said: Document, accounts: Mapping[str, Account], report: Report) -> Pools:
    """All pools. Where one is silent it is as the quotas of those who draw from it."""
    drawers = _drawers(said, accounts)
    found = {}
    for name, pool in said.pools.items():
        where: Where = ("pools", name)
        if not VISIBLE(name):
            report.fault(where, f"'{printable(name)}': {NOT_VISIBLE}")
        if name not in drawers:
            hint = "pool: NAME, on a model, provider or client"
            report.warn(where, "nothing draws from this pool", hint)
        found[name] = _pool(name, pool, _usual(drawers.get(name, ())), where, report)
    return Pools(found, said.pool_names)


def check_prices(
    said: Document,
    pools: Pools,
    models: Collection[Model],
    clients: Collection[Client],
    report: Report,
) -> None:
    """Warn of models that take nothing from a pool in dollars, having no price."""
    for name, pool in said.pools.items():
        if all(window.cost is None for window in pool.windows):
            continue
        own = set(pools.budgets[name])
        payers = [client for client in clients if own & {*client.budgets}]
        free = [
            f"'{printable(model.name)}'"
            for model in models
            if model.price is None
            and (own & {*model.budgets} or any(_asks(each, model) for each in payers))
        ]
        if free:
            problem = f"cost is counted by price, which {free[0]} does not have"
            if len(free) > 1:
                problem = f"{problem}, nor {len(free) - 1} more"
            report.warn(("pools", name), problem)


def _asks(client: Client, model: Model) -> bool:
    names = filter(None, (model.name, *model.aliases, model.category))
    return client.may_call(*names)


def _drawn(said: schema.Budgeted, where: Where) -> Iterator[tuple[str, Where]]:
    place: Where = (*where, "pool")
    if isinstance(said.pool, str):
        yield said.pool, place
    else:
        yield from ((name, (*place, at)) for at, name in enumerate(said.pool))


def _drawers(
    said: Document, accounts: Mapping[str, Account]
) -> Mapping[str, list[Quota]]:
    """The quotas of those who draw from each pool; a client has none."""
    found: dict[str, list[Quota]] = defaultdict(list)
    for client in said.clients.values():
        for name, _ in _drawn(client, ()):
            found[name] += ()
    for account in accounts.values():
        for name, _ in _drawn(account.said, ()):
            found[name].append(account.preset.quota)
    for model in said.models.values():
        for name, _ in _drawn(model, ()):
            found[name].append(named(model.provider, accounts).preset.quota)
    return found


def _usual(quotas: Collection[Quota]) -> Quota:
    """All that any of them counts; their zone, if it is the same."""
    counts = {word: None for quota in quotas for word in quota.counts}
    zones = {quota.resets for quota in quotas}
    usual = Quota()
    return Quota(
        counts=tuple(counts) or usual.counts,
        resets=zones.pop() if len(zones) == 1 else usual.resets,
    )


def _pool(
    name: str, said: schema.Pool, usual: Quota, where: Where, report: Report
) -> tuple[Budget, ...]:
    """One budget; or several, where windows differ in what they count."""
    place: Where = (*where, "windows")
    if not said.windows and not report.at_fault(place):
        report.fault(place, "a pool needs a window", "such as {per: day, requests: 50}")
    groups: Groups = defaultdict(list)
    for at, window in enumerate(said.windows):
        _add(groups, said, window, usual, (*place, at), report)
    return tuple(
        Budget(_called(name, counts, first=not at), tuple(limits), counts=counts)
        for at, (counts, limits) in enumerate(groups.items())
    )


def _called(name: str, counts: frozenset[Outcome], *, first: bool) -> str:
    words = "+".join(outcome.value for outcome in Outcome if outcome in counts)
    return f"pool/{name}" if first else f"pool/{name} {words}"


def _add(
    groups: Groups,
    pool: schema.Pool,
    said: schema.Window,
    usual: Quota,
    where: Where,
    report: Report,
) -> None:
    window = windows.resolve(said, usual.resets, where, report)
    words = usual.counts if said.counts is None else said.counts
    if not words:
        hint = "leave the key out for the usual: answers and errors"
        report.fault((*where, "counts"), "counts nothing at all", hint)
    amounts = dict(_amounts(said))
    if not amounts:
        report.fault(where, "limits nothing", "requests, tokens or cost")
    if window is None:
        return
    limits = groups[budgets.outcomes(words)]
    for key, (unit, amount) in amounts.items():
        limit = Limit(unit, amount, window).with_headroom(pool.headroom)
        if any((each.unit, each.window) == (unit, window) for each in limits):
            problem = f"{limit.label} are limited already by a window above"
            report.fault((*where, key), problem)
        elif limit.usable <= 0:
            problem = "the pool's headroom, rounded up, leaves nothing of it"
            report.fault((*where, key), problem, "a smaller one, or another pool")
        limits.append(limit)


def _amounts(said: schema.Window) -> Iterator[tuple[str, tuple[Unit, int]]]:
    if said.requests is not None:
        yield "requests", (Unit.REQUESTS, said.requests)
    if said.tokens is not None:
        yield "tokens", (Unit.TOKENS, said.tokens)
    if said.cost is not None:
        yield "cost", (Unit.SPEND, max(round(said.cost * _BILLION), 1))
