"""The figures of reliability can be taken, and a missed target is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.relay import markdown
from bench.reliability import __main__ as reliability
from bench.reliability.figures import Figure

linux = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="reads what Linux tells of processes"
)


@pytest.mark.parametrize(
    ("figure", "cells", "met"),
    [
        (Figure("x", 3), ("x", "3", ""), True),
        (Figure("x", 3, "ms", most=3), ("x", "3 ms", "≤ 3 ms"), True),
        (Figure("x", 3.5, most=3), ("x", "3.5 **missed**", "≤ 3"), False),
        (Figure("x", 99.51234, "%", least=99.5), ("x", "99.51 %", "≥ 99.5 %"), True),
        (Figure("x", 99, "%", least=99.5), ("x", "99 % **missed**", "≥ 99.5 %"), False),
        (Figure("x", 0, most=0, least=0), ("x", "0", "0"), True),
        (Figure("x", 12_345), ("x", "12,345", ""), True),
    ],
)
def test_a_figure_says_what_it_has_to_be(
    figure: Figure, cells: tuple[str, str, str], met: bool
) -> None:
    assert (figure.cells(), figure.met) == (cells, met)


@linux
def test_reloads_lose_no_request_and_no_count(tmp_path: Path) -> None:
    found = dict(_figures("F8", tmp_path, scale=0.04))

    assert found.pop("4 reloads: requests").value > 50
    assert all(figure.met for figure in found.values()), found


@linux
def test_what_a_decision_costs_is_told(tmp_path: Path) -> None:
    found = _figures("D", tmp_path, scale=0.0)

    assert len(found) == 9
    assert "µs" in markdown([figure.cells() for figure in found.values()])


def _figures(part: str, folder: Path, scale: float) -> dict[str, Figure]:
    measured = reliability.measured([part], folder, scale)
    return {figure.what: figure for _, figure in measured}
