"""Dialects that other packages bring, found by their entry points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from typing import Final

import attrs

from tproxy.core.errors import ConfigError, Fault
from tproxy.core.upstream import Dialect, ProviderAdapter

GROUP: Final = "tproxy.dialects"

_METHODS = [name for name in vars(ProviderAdapter) if not name.startswith("_")]


@attrs.frozen
class Plugin:
    """One name, and who registers it: more than one package is a fault."""

    name: str
    entries: tuple[EntryPoint, ...]

    def load(self) -> Dialect:
        """Import it.

        Raises:
            ConfigError: it cannot be used; the fault names it, its package and why.
        """
        [entry, *others] = self.entries
        if others:
            both = " and ".join(sorted(map(_package, self.entries)))
            raise self._fault(f"registered by {both}; uninstall one")
        try:
            found: object = entry.load()
        except Exception as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise self._fault(f"{_package(entry)} cannot be loaded: {why}") from error
        if not isinstance(found, Dialect):
            kind = type(found).__name__
            raise self._fault(f"{_package(entry)} brings no Dialect, but a {kind}")
        missing = [m for m in _METHODS if not callable(getattr(found.chat, m, None))]
        if missing:
            lacks = f"has no {', '.join(missing)}"
            raise self._fault(f"{_package(entry)}: what it chats with {lacks}")
        return found

    def _fault(self, problem: str) -> ConfigError:
        return ConfigError(faults=(Fault(f"plug-in {self.name}", 0, problem, ""),))


def plugins(entries: Iterable[EntryPoint]) -> Mapping[str, Plugin]:
    """What is registered, by name; nothing is imported yet.

    The same distribution can be on the path twice, which is no conflict.
    """
    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entries:
        key = (_package(entry), entry.value)
        found.setdefault(entry.name, {}).setdefault(key, entry)
    return {name: Plugin(name, tuple(one.values())) for name, one in found.items()}


def _package(entry: EntryPoint) -> str:
    return entry.value if entry.dist is None else entry.dist.name
