"""Numbers as text, read back by a parser that others made."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.observe.reading import read
from tproxy.observe.exposition import END, Kind, Metric, Sample, family

COUNTER = Metric("a_total", Kind.COUNTER, "What a does.", ("model", "client"))
GAUGE = Metric("now", Kind.GAUGE, "How it is.")
TIMES = Metric("time_seconds", Kind.HISTOGRAM, "How long.", ("of",), (0.1, 1.0))

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def told(metric: Metric, *samples: Sample, newer: bool = False) -> str:
    text = "".join(family(metric, samples, openmetrics=newer))
    return text + END if newer else text


def test_a_counter_as_it_is_written() -> None:
    samples = ('model="a",client="b"', [3]), ("", [0.5])

    assert told(COUNTER, *samples) == (
        "# HELP a_total What a does.\n"
        "# TYPE a_total counter\n"
        'a_total{model="a",client="b"} 3\n'
        "a_total 0.5\n"
    )
    assert told(COUNTER, *samples, newer=True) == (
        "# HELP a What a does.\n"
        "# TYPE a counter\n"
        'a_total{model="a",client="b"} 3\n'
        "a_total 0.5\n"
        "# EOF\n"
    )


def test_a_histogram_as_it_is_written() -> None:
    assert told(TIMES, ('of="x"', [2.0, 1.0, 4.0, 40.5])) == (
        "# HELP time_seconds How long.\n"
        "# TYPE time_seconds histogram\n"
        'time_seconds_bucket{of="x",le="0.1"} 2.0\n'
        'time_seconds_bucket{of="x",le="1.0"} 3.0\n'
        'time_seconds_bucket{of="x",le="+Inf"} 7.0\n'
        'time_seconds_count{of="x"} 7.0\n'
        'time_seconds_sum{of="x"} 40.5\n'
    )


def test_what_has_no_series_is_not_told() -> None:
    assert told(GAUGE) == ""


@pytest.mark.parametrize("newer", [False, True])
def test_others_read_a_histogram(newer: bool) -> None:
    found = read(told(TIMES, ('of="x"', [2.0, 1.0, 4.0, 40.5]), newer=newer))

    x = ("of", "x")
    assert found["time_seconds_bucket"] == {
        frozenset({x, ("le", "0.1")}): 2,
        frozenset({x, ("le", "1.0")}): 3,
        frozenset({x, ("le", "+Inf")}): 7,
    }
    assert found["time_seconds_count"] == {frozenset({x}): 7}
    assert found["time_seconds_sum"] == {frozenset({x}): 40.5}


@pytest.mark.parametrize("newer", [False, True])
@given(model=words, client=words)
def test_labels_of_any_text_come_back_as_they_were(
    newer: bool, model: str, client: str
) -> None:
    labels = COUNTER.labelled((model, client))

    found = read(told(COUNTER, (labels, [1]), newer=newer))

    assert found == {
        "a_total": {frozenset({("model", model), ("client", client)}): 1.0}
    }


@given(st.floats() | st.integers(-(2**53), 2**53) | st.booleans())
def test_any_number_comes_back_as_it_was(number: float) -> None:
    [value] = read(told(GAUGE, ("", [number])))["now"].values()

    assert value == number or (math.isnan(value) and math.isnan(number))
