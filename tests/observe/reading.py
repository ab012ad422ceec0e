"""What a scrape says, as a parser by others reads it: series by name and labels."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families


def read(text: str) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    """Samples by their names and labels. No series is told twice, nor a family."""
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    newer = text.endswith("# EOF\n")
    parse = (
        openmetrics.text_string_to_metric_families
        if newer
        else text_string_to_metric_families
    )
    families = list(parse(text))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.type in ("counter", "gauge", "histogram")
        assert family.documentation
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            series = found.setdefault(sample.name, {})
            assert labels not in series
            series[labels] = sample.value
    return found


def number(text: str, name: str, **labels: str) -> float:
    """The sum of the series of a metric that have these labels among theirs."""
    wanted = labels.items()
    return sum(value for of, value in series(text, name) if wanted <= of.items())


def series(text: str, name: str) -> list[tuple[Mapping[str, str], float]]:
    return [(dict(of), value) for of, value in read(text).get(name, {}).items()]
