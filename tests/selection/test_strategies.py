import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat, model
from tproxy.core.selection import Candidate
from tproxy.core.strategy import By
from tproxy.selection.strategies import LeastFigure, PriorityThenIdlest, strategy


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        ([("a", 3, 9)], ["a"]),
        ([("a", 2, 0), ("b", 1, 9)], ["b", "a"]),
        ([("a", 1, 5), ("b", 1, 2), ("c", 1, 9)], ["b", "a", "c"]),
        ([("a", 1, 5), ("b", 1, 0)], ["b", "a"]),
        ([("a", 1, 0), ("b", 1, 0), ("c", 1, 0)], ["a", "b", "c"]),
        ([("a", 2, 1), ("b", 1, 9), ("c", 2, 0), ("d", 1, 8)], ["d", "b", "c", "a"]),
    ],
)
@pytest.mark.parametrize("by", By)
def test_priority_comes_first_then_the_longest_idle(
    by: By, candidates: list[tuple[str, int, int]], expected: list[str]
) -> None:
    given = [
        Candidate(model(name, priority=priority), turn=turn)
        for name, priority, turn in candidates
    ]

    ranked = strategy(by).rank(chat(), given)

    assert [candidate.model.name for candidate in ranked] == expected


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([("a", 2.0, 1, 0), ("b", 1.0, 2, 9)], ["b", "a"]),
        ([("a", 1.0, 2, 0), ("b", 1.0, 1, 9)], ["b", "a"]),
        ([("a", 1.0, 1, 5), ("b", 1.0, 1, 4)], ["b", "a"]),
        ([("a", float("inf"), 1, 0), ("b", 9e9, 9, 0)], ["b", "a"]),
        ([("a", 0.0, 1, 0), ("b", float("-inf"), 9, 0)], ["b", "a"]),
    ],
)
def test_of_all_else_the_least_figure_comes_first(
    candidates: list[tuple[str, float, int, int]], expected: list[str]
) -> None:
    given = [
        Candidate(model(name, priority=priority), turn=turn, figure=figure)
        for name, figure, priority, turn in candidates
    ]

    ranked = LeastFigure().rank(chat(), given)

    assert [candidate.model.name for candidate in ranked] == expected


def test_who_goes_by_priority_is_given_no_figures_to_look_at() -> None:
    assert isinstance(strategy(By.PRIORITY), PriorityThenIdlest)


CANDIDATES = st.lists(
    st.builds(
        lambda figure, priority, turn: Candidate(
            model("m", priority=priority), 0.0, 0.0, turn, figure
        ),
        st.sampled_from([0.0, 0.5, 1.0]) | st.floats(allow_nan=False),
        st.integers(1, 3),
        st.integers(0, 9),
    ),
    max_size=8,
)


@given(st.sampled_from(By), CANDIDATES)
def test_everybody_is_ranked_once_and_always_alike(
    by: By, candidates: list[Candidate]
) -> None:
    ranked = strategy(by).rank(chat(), candidates)

    assert sorted(map(id, ranked)) == sorted(map(id, candidates))
    assert strategy(by).rank(chat(), candidates) == ranked
