"""Faults as they are found, each at its line, and near words to suggest."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import attrs

from tproxy.core.errors import ConfigError, Fault

Where = tuple[str | int, ...]  # a place in the tree: ("models", 0, "name")

_PLAIN_KEY = re.compile(r"[\w-]+").fullmatch


def spell(where: Where) -> str:
    """`models[0].name`; a key that is no plain word stands in quotes."""
    path = ""
    for step in where:
        if isinstance(step, int):
            path += f"[{step}]"
        elif _PLAIN_KEY(step):
            path += f".{step}" if path else step
        else:
            path += f'["{printable(step)}"]'
    return path


def printable(text: str) -> str:
    """`text` cut short and without control characters, fit for one line."""
    shown = "".join(c if c.isprintable() else "�" for c in text[:100])
    return shown if len(text) <= 100 else shown + "…"


def near(word: str, known: Iterable[str]) -> str:
    """The hint that a known word was meant, whatever its case; or no hint."""
    words = {each.lower(): each for each in sorted(known, reverse=True)}
    close = difflib.get_close_matches(word[:100].lower(), words, n=1, cutoff=0.65)
    return f"did you mean {words[close[0]]!r}?" if close else ""


@attrs.define
class Report:
    """Collects what is wrong with one configuration.

    Only the first fault of each place is kept: what follows from it would mislead.
    """

    source: str
    lines: dict[Where, int] = attrs.field(factory=dict)
    _faults: dict[tuple[str, Where], Fault] = attrs.field(factory=dict, init=False)
    _warnings: dict[Fault, None] = attrs.field(factory=dict, init=False)

    def fault(self, where: Where, problem: str, hint: str = "") -> None:
        """Something at `where` in the configuration file cannot be served."""
        found = Fault(self.source, self.line(where), problem, spell(where), hint)
        self._faults.setdefault(("", where), found)

    def fault_elsewhere(self, found: Fault) -> None:
        """A fault that is not about the tree: the environment, a flag, a file."""
        self._faults.setdefault((found.source, (found.line, found.problem)), found)

    def warn(self, where: Where, problem: str, hint: str = "") -> None:
        """Something at `where` is worth knowing."""
        self.warn_elsewhere(
            Fault(self.source, self.line(where), problem, spell(where), hint)
        )

    def warn_elsewhere(self, found: Fault) -> None:
        self._warnings[found] = None

    def at_fault(self, where: Where) -> bool:
        """Whether `where`, or what it holds or stands in, has a fault already."""
        return any(
            not source and place[: len(where)] == where[: len(place)]
            for source, place in self._faults
        )

    def line(self, where: Where) -> int:
        """Where `where` stands; the line of what should hold it, if it is missing."""
        while where and where not in self.lines:
            where = where[:-1]
        return self.lines.get(where, 0)

    def settle(self) -> tuple[Fault, ...]:
        """The warnings, once all is checked.

        Raises:
            ConfigError: there were faults.
        """
        if self._faults:
            raise ConfigError(faults=self._in_order(self._faults.values()))
        return self._in_order(self._warnings)

    def _in_order(self, found: Iterable[Fault]) -> tuple[Fault, ...]:
        """The file's own first, then by source, each by line."""
        return tuple(
            sorted(found, key=lambda f: (f.source != self.source, f.source, f.line))
        )
