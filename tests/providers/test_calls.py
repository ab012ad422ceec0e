"""Calls, whichever provider's they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.values import chat, model
from tproxy.core.errors import UpstreamFailed
from tproxy.providers.calls import Arguments, call_id, written

MODEL = model()


@given(st.lists(st.sampled_from(["", "a", "call_0_1", "call_0_2", "call_0_1_1"])))
def test_no_two_calls_have_one_id_and_the_first_keeps_its_own(given: list[str]) -> None:
    taken: set[str] = set()

    ids = [call_id(id, taken, chat()) for id in given]

    assert len({*ids, ""}) == len(ids) + 1
    assert ids[:1] in ([], given[:1], ["call_0_0"])


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"a": "é"}, '{"a": "é"}'),
        ('{"a":1}', '{"a": 1}'),
        (None, "{}"),
        ("", "{}"),
        ("null", "{}"),
    ],
)
def test_arguments_are_an_object_in_the_end(said: object, text: str) -> None:
    assert written(said, MODEL) == text


@pytest.mark.parametrize("said", ["{", "[]", [1], 7, {"a": float("nan")}, "[" * 9_000])
def test_other_arguments_are_the_models_fault(said: object) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        written(said, MODEL)

    assert caught.value.failure.name == "model_fault"


def test_a_streams_arguments_are_judged_together_at_its_end() -> None:
    arguments = Arguments()
    for place, text in ((0, '{"a"'), (1, "{}"), (0, ": 1}")):
        arguments.add(place, text)
    arguments.check("tool_calls", MODEL)

    arguments.add(1, "]")
    arguments.check("length", MODEL)
    with pytest.raises(UpstreamFailed):
        arguments.check("tool_calls", MODEL)


def test_endless_arguments_are_not_kept() -> None:
    arguments = Arguments()
    for _ in range(20):
        arguments.add(0, "x" * 10_000)

    arguments.check("tool_calls", MODEL)
