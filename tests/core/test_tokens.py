from tproxy.core.tokens import TOKENS_PER_IMAGE, estimate


def test_an_estimate_rounds_up() -> None:
    assert [estimate(size) for size in (0, 1, 4, 5, 400)] == [0, 1, 1, 2, 100]


def test_pictures_have_a_price_of_their_own() -> None:
    assert estimate(0, 3) == 3 * TOKENS_PER_IMAGE
