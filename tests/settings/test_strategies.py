"""`routing.strategy`, and what models have for it: `weight` and `price`."""

import pytest

from tests.settings.configuring import MODEL, Folder
from tproxy.core.model import Routing
from tproxy.core.strategy import By

WEIGHED = f"{MODEL}    weight: 2.5\n"
THREE = """\
models:
  - {name: a, provider: groq, token: k, model_size: BIG, price: {input: 0, output: 0}}
  - {name: b, provider: groq, token: k, model_size: BIG}
  - {name: c, provider: groq, token: k}
  - {name: d, provider: groq, token: k}
"""


@pytest.mark.parametrize("by", By)
def test_each_can_be_chosen(folder: Folder, by: By) -> None:
    routing = folder.load(f"{MODEL}routing: {{strategy: {by.value}}}\n").routing

    assert routing == Routing(by=by)


def test_without_one_it_is_priority(folder: Folder) -> None:
    assert folder.load(MODEL).routing.by is By.PRIORITY


@pytest.mark.parametrize(("said", "weight"), [("", 1.0), ("    weight: 2.5\n", 2.5)])
def test_a_model_has_a_weight(folder: Folder, said: str, weight: float) -> None:
    assert folder.model(MODEL + said).weight == weight


def test_a_weight_that_nobody_goes_by_is_told_of(folder: Folder) -> None:
    words = (
        "proxy.yaml:5: the strategy '{}' does not go by weights @ models[0].weight"
        " (routing: {{strategy: weighted}})"
    )

    assert folder.warnings(WEIGHED) == [words.format("priority")]
    by_cost = folder.warnings(f"{WEIGHED}routing: {{strategy: cost}}\n")
    assert by_cost == [words.format("cost")]
    assert folder.warnings(f"{WEIGHED}routing: {{strategy: weighted}}\n") == []


@pytest.mark.parametrize(
    ("fallbacks", "words"),
    [
        ("", "'b' has none"),
        (", fallbacks: {a: [d]}", "'b' has none, nor 1 more"),
        (", fallbacks: {a: [c, d]}", "'b' has none, nor 2 more"),
    ],
)
def test_a_choice_by_cost_among_models_without_a_price_is_told_of(
    folder: Folder, fallbacks: str, words: str
) -> None:
    text = f"{THREE}routing: {{strategy: cost{fallbacks}}}\n"

    told = f"without a price a model comes last, and {words} @ routing.strategy"
    hint = "(price, which is 0 for input and output if it is free)"
    assert folder.warnings(text) == [f"proxy.yaml:6: {told} {hint}"]
    assert folder.warnings(THREE) == []


def test_who_is_alone_in_its_category_needs_no_price(folder: Folder) -> None:
    text = f"{MODEL}    model_size: BIG\nrouting: {{strategy: cost}}\n"

    assert folder.warnings(text) == []
