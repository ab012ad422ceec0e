import pytest

from tests.values import chat, model
from tproxy.core.selection import Candidate
from tproxy.selection.strategies import PriorityThenIdlest


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
def test_priority_comes_first_then_the_longest_idle(
    candidates: list[tuple[str, int, int]], expected: list[str]
) -> None:
    given = [
        Candidate(model(name, priority=priority), turn=turn)
        for name, priority, turn in candidates
    ]

    ranked = PriorityThenIdlest().rank(chat(), given)

    assert [candidate.model.name for candidate in ranked] == expected
