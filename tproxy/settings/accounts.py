"""Providers as a configuration names them: its own entries, or the known words."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from tproxy.core.budget import Budget
from tproxy.settings import budgets, schema
from tproxy.settings.presets import Preset, preset
from tproxy.settings.report import Report, Where, printable

VISIBLE = re.compile(r"[!-~]+").fullmatch
NOT_VISIBLE = "only visible ASCII characters, without spaces, can be used here"


@attrs.frozen
class Account:
    """What the models of one provider share. `said` is its entry, if it has one.

    `budgets` are what its window keys make: one, or none.
    """

    name: str
    preset: Preset
    said: schema.Provider
    where: Where
    budgets: tuple[Budget, ...] = ()

    def stripped(self, model: str) -> str:
        """What the provider calls `model`, going by the name here."""
        for word in (self.name, *self.preset.words):
            rest = model.removeprefix(f"{word}/")
            if rest != model and ("/" in rest or not self.preset.author_slug):
                return rest
        return model


def declared(
    said: Mapping[str, schema.Provider], report: Report
) -> Mapping[str, Account]:
    """The entries of `providers:`."""
    return {name: _account(name, entry, report) for name, entry in said.items()}


def named(word: str, accounts: Mapping[str, Account]) -> Account:
    """The account that a model's `provider` means."""
    known = accounts.get(word)
    return (
        Account(word, preset(word), schema.Provider(), ()) if known is None else known
    )


def _account(name: str, said: schema.Provider, report: Report) -> Account:
    where: Where = ("providers", name)
    if not VISIBLE(name):
        report.fault(where, f"'{printable(name)}': {NOT_VISIBLE}")
    if said.type is not None and not VISIBLE(said.type):
        report.fault((*where, "type"), NOT_VISIBLE)
    company = preset(said.type or name)
    budget = budgets.shared(f"provider/{name}", said, company.quota, where, report)
    return Account(name, company, said, where, (budget,) if budget.limits else ())
