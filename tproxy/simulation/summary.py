"""The outcome of a replay, added up: as JSON and for people."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from tproxy.settings import Settings
from tproxy.simulation.decision import Decision, Fate
from tproxy.simulation.drought import Drought
from tproxy.simulation.record import Lines, read
from tproxy.simulation.replay import Replay

_MOST_NAMES = 1_000  # that a log may bring along
_OTHERS = "(others)"
_MOST_BYTES = 1 << 20  # of a line


@attrs.define
class Refusals:
    """Those for want of room under one limit of one budget."""

    requests: int
    first: float  # seconds since the epoch
    longest_wait: float  # seconds; infinite where it would never fit


@attrs.define
class Summary:
    """How many requests came to what. Moments are in seconds since the epoch."""

    lines: Lines = attrs.field(factory=Lines)
    begins: float | None = None
    ends: float | None = None
    fates: Counter[str] = attrs.field(factory=Counter)
    regained: int = 0  # answered now, and by nobody in the log
    rerouted: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    refusals: dict[tuple[str, str], Refusals] = attrs.field(factory=dict)
    unknown_models: Counter[str] = attrs.field(factory=Counter)
    unknown_clients: Counter[str] = attrs.field(factory=Counter)
    clients: dict[str, Counter[str]] = attrs.field(factory=dict)
    droughts: Mapping[str, Drought] = attrs.field(factory=dict)

    def add(self, decision: Decision) -> None:
        record, fate = decision.record, decision.fate
        if self.begins is None:
            self.begins = record.began
        self.ends = max(self.ends or 0.0, record.began)
        name = _kept(record.client or "-", self.clients)
        client = self.clients.setdefault(name, Counter())
        for counter in (self.fates, client):
            counter[fate.value] += 1
        if decision.rerouted:
            client["rerouted"] += 1
            old = record.model or ""
            if len(self.rerouted) >= _MOST_NAMES:
                old = _OTHERS
            self.rerouted[old, decision.model or ""] += 1
        elif fate is Fate.ANSWERED and record.model is None:
            self.regained += 1
        if decision.denial is not None:
            key = decision.denial.budget, decision.denial.limit
            refusals = self.refusals.setdefault(key, Refusals(0, decision.moment, 0.0))
            refusals.requests += 1
            refusals.longest_wait = max(refusals.longest_wait, decision.denial.wait)
        if fate is Fate.UNKNOWN:
            self.unknown_models[_kept(record.asked or "-", self.unknown_models)] += 1
        if decision.stranger:
            self.unknown_clients[name] += 1

    def json(self) -> dict[str, object]:
        """Moments as in ISO 8601, in UTC; what never comes is null."""
        fates = {fate.value: self.fates[fate.value] for fate in Fate}
        names = (*fates, "rerouted")
        return {
            "lines": attrs.asdict(self.lines),
            "begins": _moment(self.begins),
            "ends": _moment(self.ends),
            "requests": {**fates, "regained": self.regained},
            "rerouted": [
                {"from": old, "to": new, "requests": count}
                for (old, new), count in self.rerouted.most_common()
            ],
            "refused": [
                {
                    "budget": budget,
                    "limit": limit,
                    "requests": refusals.requests,
                    "first": _moment(refusals.first),
                    "longest_wait": _finite(refusals.longest_wait),
                }
                for (budget, limit), refusals in self.refusals.items()
            ],
            "budgets": [
                {
                    "name": name,
                    "dry": _moment(drought.first),
                    "times": drought.times,
                    "seconds": round(drought.seconds, 3),
                }
                for name, drought in self.droughts.items()
            ],
            "clients": [
                {"name": name, **{word: count[word] for word in names}}
                for name, count in self.clients.items()
            ],
            "unknown": {
                "models": dict(self.unknown_models),
                "clients": dict(self.unknown_clients),
            },
        }

    def text(self) -> str:
        """The same for people, as tables."""
        fates = [fate.value for fate in Fate]
        blocks = [
            self._head(),
            _table(
                ("CLIENT", *(fate.upper() for fate in fates), "REROUTED"),
                (
                    (name, *(str(count[word]) for word in (*fates, "rerouted")))
                    for name, count in self.clients.items()
                ),
            ),
            _table(
                ("REROUTED FROM", "TO", "REQUESTS"),
                ((*pair, str(count)) for pair, count in self.rerouted.most_common()),
            ),
            _table(
                ("REFUSED BY", "LIMIT", "REQUESTS", "FIRST", "LONGEST WAIT"),
                (
                    (*key, str(r.requests), _shown(r.first), _seconds(r.longest_wait))
                    for key, r in self.refusals.items()
                ),
            ),
            _table(
                ("RAN DRY", "FIRST", "TIMES", "IN ALL"),
                (
                    (name, _shown(d.first), str(d.times), _seconds(d.seconds))
                    for name, d in self.droughts.items()
                ),
            ),
            _table(("UNKNOWN MODEL", "REQUESTS"), _rows(self.unknown_models)),
            _table(("UNKNOWN CLIENT", "REQUESTS"), _rows(self.unknown_clients)),
        ]
        return "\n\n".join(block for block in blocks if block)

    def _head(self) -> str:
        lines = self.lines
        fates = [f"{n} {word}" for word, n in self.fates.items()]
        text = f"{lines.replayed} requests replayed"
        if self.begins is not None:
            text += f", begun from {_shown(self.begins)} to {_shown(self.ends)}"
        text += f": {', '.join(fates)}." if fates else "."
        if self.regained:
            text += f"\n{self.regained} answered that the log saw unanswered."
        skipped = (
            f"{lines.unasked} requests without a model, {lines.other} other lines, "
            f"{lines.unreadable} unreadable"
        )
        return f"{text}\nSkipped: {skipped}. Out of place: {lines.late}."


def simulate(log: Path, settings: Settings) -> Summary:
    """Replay a log against a configuration, in bounded memory.

    Raises:
        OSError: the log cannot be read.
    """
    summary = Summary()
    replay = Replay(settings, summary.add)
    with log.open("rb") as file:
        # Longer lines are read as several, none of which is one of ours.
        lines = iter(lambda: file.readline(_MOST_BYTES), b"")
        for record in read(lines, summary.lines):
            replay.take(record)
    replay.finish()
    summary.droughts = replay.droughts.by_name
    return summary


def _kept(name: str, names: Mapping[str, object]) -> str:
    """The name to count it under: a log may bring along any number of them."""
    return name if name in names or len(names) < _MOST_NAMES else _OTHERS


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _shown(seconds: float | None) -> str:
    said = datetime.fromtimestamp(seconds or 0.0, UTC)
    return said.strftime("%Y-%m-%d %H:%M:%SZ")


def _finite(seconds: float) -> float | None:
    return round(seconds, 3) if seconds < math.inf else None


def _seconds(seconds: float) -> str:
    return f"{math.ceil(seconds):,} s" if seconds < math.inf else "for ever"


def _rows(counter: Counter[str]) -> Iterator[tuple[str, ...]]:
    return ((name, str(count)) for name, count in counter.most_common())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, fit for a terminal whatever the log says; "" without rows."""
    lines = [
        ["".join(c if c.isprintable() else "?" for c in cell) for cell in row]
        for row in rows
    ]
    if not lines:
        return ""
    lines.insert(0, list(head))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(padded)
