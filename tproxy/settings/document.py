"""A configuration file in its sections; what is at fault in them is left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

import attrs

from tproxy.settings import schema, structure
from tproxy.settings.report import Report

T = TypeVar("T")

_MOVED = {"auth_token": "AUTH_TOKEN in the environment"}


@attrs.frozen
class Document:
    """`schema.File`, as far as it can be used.

    Entries keep their index. `names` and `categories` are those of all models, also of
    models that have faults, and `pool_names` those of all pools: who refers to these is
    not at fault as well.
    """

    server: schema.Server
    clients: Mapping[int, schema.Client]
    providers: Mapping[str, schema.Provider]
    pools: Mapping[str, schema.Pool]
    models: Mapping[int, schema.Model]
    routing: schema.Routing
    state: schema.State
    names: frozenset[str]
    categories: frozenset[str]
    pool_names: frozenset[str]
    declares_clients: bool


def read(root: object, report: Report) -> Document:
    """The sections of a whole file. Faults are reported."""
    if root is None:
        root = {}
    if not isinstance(root, dict):
        report.fault((), "expected a mapping with the key 'models'")
        root = {}
    known = {field.name for field in attrs.fields(schema.File)}
    for key in root:
        if key not in known:
            mismatch = structure.unknown(key, schema.File)
            hint = mismatch.hint or _MOVED.get(key, "")
            report.fault((key,), mismatch.problem, hint)
    models = root.get("models", [])
    if models == [] and not report.at_fault(("models",)):
        report.fault(("models",), "no model is declared", "models: needs an entry")
    pools = root.get("pools")
    _section(root, "cache", schema.Cache(), report)
    return Document(
        _section(root, "server", schema.Server(), report),
        dict(_entries(root, "clients", schema.Client, report)),
        dict(_named(root, "providers", schema.Provider, report)),
        dict(_named(root, "pools", schema.Pool, report)),
        dict(_entries(root, "models", schema.Model, report)),
        _section(root, "routing", schema.Routing(), report),
        _section(root, "state", schema.State(), report),
        frozenset(_texts(models, "name")) | frozenset(_aliases(models)),
        frozenset(_texts(models, "model_size")),
        frozenset(pools if isinstance(pools, dict) else ()),
        bool(root.get("clients")),
    )


def _section(root: Mapping[str, object], key: str, default: T, report: Report) -> T:
    if key not in root:
        return default
    return structure.read(root[key], type(default), (key,), report) or default


def _entries(
    root: Mapping[str, object], key: str, kind: type[T], report: Report
) -> Iterator[tuple[int, T]]:
    values = root.get(key, [])
    if not isinstance(values, list):
        report.fault((key,), "expected a list, each entry beginning with '- '")
        return
    for index, value in enumerate(values):
        entry = structure.read(value, kind, (key, index), report)
        if entry is not None:
            yield index, entry


def _named(
    root: Mapping[str, object], key: str, kind: type[T], report: Report
) -> Iterator[tuple[str, T]]:
    values = root.get(key, {})
    if not isinstance(values, dict):
        report.fault((key,), f"expected a mapping from names to {key}")
        return
    for name, value in values.items():
        entry = structure.read(value, kind, (key, name), report)
        if entry is not None:
            yield name, entry


def _mappings(values: object) -> Iterator[Mapping[str, object]]:
    for value in values if isinstance(values, list) else ():
        if isinstance(value, dict):
            yield value


def _texts(values: object, key: str) -> Iterator[str]:
    for value in _mappings(values):
        text = value.get(key)
        if isinstance(text, str):
            yield text


def _aliases(values: object) -> Iterator[str]:
    for value in _mappings(values):
        aliases = value.get("aliases")
        for alias in aliases if isinstance(aliases, list) else ():
            if isinstance(alias, str):
                yield alias
