"""Metrics as text for Prometheus (format 0.0.4) and its successor OpenMetrics 1.0.

"Exposition formats" in Prometheus' documentation; the OpenMetrics specification.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
END: Final = "# EOF\n"  # of OpenMetrics


class Kind(enum.Enum):
    """What becomes of a metric's number in time."""

    COUNTER = "counter"  # it only grows
    GAUGE = "gauge"
    HISTOGRAM = "histogram"  # as many numbers as there are buckets, and a sum


@attrs.frozen(cache_hash=True)
class Metric:
    """A name, what it means, and the names of what tells its series apart.

    `bounds` are those of a histogram's buckets, without the last one, which has none.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """How many numbers a series has: one for each bucket, and the sum."""
        return len(self.bounds) + 2 if self.kind is Kind.HISTOGRAM else 1

    def labelled(self, values: Sequence[str]) -> str:
        """The labels of one series, as they are written; without the braces."""
        pairs = zip(self.labels, values, strict=True)
        return ",".join([f'{name}="{_escaped(value)}"' for name, value in pairs])


# The labels of a series as written, and its numbers: one, or those of a histogram.
Sample = tuple[str, Sequence[float]]

_SPELLED = {"inf": "+Inf", "-inf": "-Inf", "nan": "NaN", "True": "1", "False": "0"}


def family(
    metric: Metric, samples: Iterable[Sample], *, openmetrics: bool = False
) -> Iterator[str]:
    """All that is told of a metric, in pieces; nothing, if it has no samples."""
    begun = False
    for labels, numbers in samples:
        if not begun:
            begun = True
            yield _head(metric, openmetrics=openmetrics)
        if metric.kind is Kind.HISTOGRAM:
            yield from _histogram(metric, labels, numbers)
        else:
            told = f"{{{labels}}}" if labels else ""
            yield f"{metric.name}{told} {_number(numbers[0])}\n"


def _head(metric: Metric, *, openmetrics: bool) -> str:
    name, said = metric.name, metric.help.replace("\\", r"\\").replace("\n", r"\n")
    if openmetrics:
        name, said = name.removesuffix("_total"), said.replace('"', r"\"")
    return f"# HELP {name} {said}\n# TYPE {name} {metric.kind.value}\n"


def _histogram(metric: Metric, labels: str, numbers: Sequence[float]) -> Iterator[str]:
    """The count is the sum of the buckets, so that they agree at any moment."""
    name, begun = metric.name, f"{labels}," if labels else ""
    *counts, total = numbers
    seen = 0.0
    for bound, count in zip((*metric.bounds, "+Inf"), counts, strict=True):
        seen += count
        yield f'{name}_bucket{{{begun}le="{bound}"}} {_number(seen)}\n'
    told = f"{{{labels}}}" if labels else ""
    yield f"{name}_count{told} {_number(seen)}\n"
    yield f"{name}_sum{told} {_number(total)}\n"


def _number(value: float) -> str:
    text = repr(value)
    return _SPELLED.get(text, text)


def _escaped(value: str) -> str:
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return value
