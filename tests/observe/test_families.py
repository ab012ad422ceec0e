"""The metrics there are, in the code and for those who read about them."""

from __future__ import annotations

import re
from pathlib import Path

from tproxy.observe.exposition import Kind
from tproxy.observe.families import FAMILIES
from tproxy.observe.tallies import WIDEST

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*) \| (.+) \|$", re.MULTILINE)


def test_the_page_tells_of_each_metric_what_it_tells_of_itself() -> None:
    rows = ROW.findall(PAGE.read_text("utf-8"))

    assert rows == [
        (
            metric.name,
            metric.kind.value,
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        )
        for metric in FAMILIES
    ]


def test_examples_name_metrics_and_labels_that_there_are() -> None:
    alerts = PAGE.read_text("utf-8").partition("## What to watch")[2]
    told = {metric.name: metric.labels for metric in FAMILIES}
    named = re.findall(r"\b(tproxy_\w+)(?:\{([^}]*)\})?", alerts)

    assert len({name for name, _ in named}) > 5
    for name, labels in named:
        assert {label.strip() for label in re.findall(r"(\w+)[!=]", labels)} <= {
            *told[name]
        }


def test_they_are_named_as_is_usual() -> None:
    names = [metric.name for metric in FAMILIES]
    assert len({*names}) == len(names)
    for metric in FAMILIES:
        assert re.fullmatch(r"(tproxy|process)_[a-z_]+", metric.name)
        counts = metric.kind is Kind.COUNTER
        assert metric.name.endswith("_total") == counts
        assert metric.width <= WIDEST
        assert metric.help.endswith(".")
