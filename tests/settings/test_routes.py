import pytest

from tests.settings.configuring import Folder
from tproxy.core.model import Routing

MODELS = """\
models:
  - {name: a, provider: groq, token: k, aliases: [aa], model_size: BIG}
  - {name: b/c, provider: groq, token: k, aliases: [bb], model_size: SMALL}
"""


def test_nothing_falls_back_by_itself(folder: Folder) -> None:
    assert folder.load(MODELS).routing == Routing(300.0, {})


def test_fallbacks_are_of_models_whatever_name_they_were_given(folder: Folder) -> None:
    text = MODELS + (
        "routing:\n  deadline_seconds: 20\n"
        "  fallbacks: {aa: [bb, BIG], 'b/c': [SMALL, a]}\n"
    )

    assert folder.load(text).routing == Routing(
        20.0, {"a": ("b/c", "BIG"), "b/c": ("SMALL", "a")}
    )


@pytest.mark.parametrize(
    ("said", "seconds", "most"),
    [
        ("on_exhausted: reject", 0.0, 1000),
        ("on_exhausted: wait", 30.0, 1000),
        ("on_exhausted: wait, wait_seconds: 2.5", 2.5, 1000),
        ("on_exhausted: wait, max_waiting: 3", 30.0, 3),
        ("wait_seconds: 5", 0.0, 1000),
    ],
)
def test_waiting_for_quota(
    folder: Folder, said: str, seconds: float, most: int
) -> None:
    routing = folder.load(f"{MODELS}routing: {{{said}}}\n").routing

    assert (routing.wait_seconds, routing.max_waiting) == (seconds, most)


def test_categories_are_hedged_where_it_is_wished(folder: Folder) -> None:
    routing = folder.load(f"{MODELS}routing: {{hedge: [BIG, SMALL]}}\n").routing

    assert routing == Routing(hedge=frozenset({"BIG", "SMALL"}))


@pytest.mark.parametrize(
    ("hedge", "fault"),
    [
        (
            "[BIG, small]",
            ("'small' is no category here @ routing.hedge[1] (did you mean 'SMALL'?)"),
        ),
        ("[HUGE]", "'HUGE' is no category here @ routing.hedge[0]"),
        (
            "[bb]",
            "'bb' is a model, and hedging is for categories @ routing.hedge[0]",
        ),
        ("BIG", "expected a list, got text @ routing.hedge"),
        ("{BIG: 1s}", "expected a list, got a mapping @ routing.hedge"),
    ],
)
def test_mistakes_in_hedging(folder: Folder, hedge: str, fault: str) -> None:
    assert folder.faults(f"{MODELS}routing: {{hedge: {hedge}}}\n") == [
        f"proxy.yaml:4: {fault}"
    ]


@pytest.mark.parametrize(
    ("fallbacks", "fault"),
    [
        (
            "{c: [a]}",
            "'c': no model has this name @ routing.fallbacks.c",
        ),
        (
            "{b/d: [a]}",
            (
                "'b/d': no model has this name @ routing.fallbacks[\"b/d\"]"
                " (did you mean 'b/c'?)"
            ),
        ),
        (
            "{BIG: [a]}",
            (
                "'BIG': a category, and fallbacks are for named models"
                " @ routing.fallbacks.BIG"
            ),
        ),
        (
            "{a: [b/d]}",
            (
                "'b/d' is neither a model nor a category here @ routing.fallbacks.a[0]"
                " (did you mean 'b/c'?)"
            ),
        ),
        (
            "{a: [SMALL, SMAL]}",
            (
                "'SMAL' is neither a model nor a category here @ routing.fallbacks.a[1]"
                " (did you mean 'SMALL'?)"
            ),
        ),
        ("{a: [aa]}", "'a' stands in for itself @ routing.fallbacks.a[0]"),
        ("{a: [b/c], aa: [b/c]}", "'a' has fallbacks already @ routing.fallbacks.aa"),
        ("{a: b/c}", "expected a list, got text @ routing.fallbacks.a"),
        ("[a]", "expected a mapping, got a list @ routing.fallbacks"),
    ],
)
def test_mistakes(folder: Folder, fallbacks: str, fault: str) -> None:
    assert folder.faults(f"{MODELS}routing: {{fallbacks: {fallbacks}}}\n") == [
        f"proxy.yaml:4: {fault}"
    ]
