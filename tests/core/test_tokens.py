import pytest

from tproxy.core.tokens import MOST, TOKENS_PER_IMAGE, counted, estimate


def test_an_estimate_rounds_up() -> None:
    assert [estimate(size) for size in (0, 1, 4, 5, 400)] == [0, 1, 1, 2, 100]


def test_pictures_have_a_price_of_their_own() -> None:
    assert estimate(0, 3) == 3 * TOKENS_PER_IMAGE


@pytest.mark.parametrize(
    ("said", "count"),
    [
        (0, 0),
        (MOST, MOST),
        *((strange, 0) for strange in (None, True, -1, 1.5, "1", MOST + 1, 10**400)),
    ],
)
def test_what_nobody_can_have_counted_is_nothing(said: object, count: int) -> None:
    assert counted(said) == count
