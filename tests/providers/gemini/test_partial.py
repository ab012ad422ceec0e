"""Calls that come piece by piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.gemini.test_answer import answered, candidate
from tests.providers.gemini.test_stream import event, read, text
from tproxy.contract import openai

BEGIN = {"name": "f", "id": "c1", "willContinue": True}


def piece(path: str, value: object, *, more: bool = False) -> dict[str, object]:
    kinds = {str: "stringValue", bool: "boolValue"}
    kind = "nullValue" if value is None else kinds.get(type(value), "numberValue")
    said = {"jsonPath": path, kind: "NULL_VALUE" if value is None else value}
    return {**said, "willContinue": True} if more else said


def pieces(*said: object, more: bool = True) -> dict[str, object]:
    return {"partialArgs": said, **({"willContinue": True} if more else {})}


def called(*calls: object, finish: str = "STOP", **more: object) -> Any:
    events = [event(candidate({"functionCall": call}, finish=None)) for call in calls]
    return read(*events, text(finish=finish))


def arguments(*calls: object) -> list[Any]:
    [spoken] = openai.check_stream(called(*calls).output).choices
    return [json.loads(call.arguments) for call in spoken.calls]


def test_text_goes_on_until_it_ends() -> None:
    found = arguments(
        BEGIN,
        pieces(piece("$.city", "Bos", more=True)),
        pieces(piece("$.city", "ton", more=True)),
        pieces(piece("$.city", "")),
        pieces(piece("$.days", 3), piece("$.exact", True), piece("$.near", None)),
        {},
    )

    assert found == [{"city": "Boston", "days": 3, "exact": True, "near": None}]


def test_text_that_never_ends_is_not_lost() -> None:
    open_end = pieces(piece("$.a", "x", more=True))

    found = arguments(BEGIN, open_end, pieces(piece("$.b", "y", more=True)), {})

    assert found == [{"a": "x", "b": "y"}]


def test_paths_lead_into_arrays_and_objects() -> None:
    found = arguments(
        BEGIN,
        pieces(piece("$.a[0].b", "x")),
        pieces(piece("$.a[0]['c d']", 0.5)),
        pieces(piece("$.a[1].b", "y"), piece('$["e"]', ""), more=False),
    )

    assert found == [{"a": [{"b": "x", "c d": 0.5}, {"b": "y"}], "e": ""}]


def test_one_call_comes_after_the_other() -> None:
    second = {"name": "g", "willContinue": True}
    calls = [BEGIN, {}, second, pieces(piece("$.a", 1), more=False), {"name": "h"}]

    [spoken] = openai.check_stream(called(*calls).output).choices

    assert [(c.name, c.arguments) for c in spoken.calls] == [
        *(("f", "{}"), ("g", '{"a":1}'), ("h", "{}"))
    ]
    assert spoken.calls[0].id == "c1"


def test_a_call_may_come_in_one_piece_and_unstreamed() -> None:
    call = {"functionCall": {"name": "f", **pieces(piece("$.a", 1), more=False)}}

    [choice] = answered(candidate(call))["choices"]

    [told] = choice["message"]["tool_calls"]
    assert told["function"] == {"name": "f", "arguments": '{"a":1}'}


def test_nothing_begins_before_the_call_is_whole() -> None:
    found = read(event(candidate({"functionCall": BEGIN}, finish=None)))

    assert (found.begun, found.output) == (False, b"")


@pytest.mark.parametrize(
    ("calls", "row"),
    [
        ([BEGIN], "model_fault"),
        ([BEGIN, {"name": "g"}], "malformed"),
        ([{"willContinue": True}, {}], "malformed"),
        ([BEGIN, pieces(piece("$.a", 1), piece("$.a.b", 1))], "malformed"),
        ([BEGIN, pieces(piece("$.a[1]", 1))], "malformed"),
        ([BEGIN, pieces(piece("$.a[999999999]", 1))], "malformed"),
        ([BEGIN, pieces(piece("$", 1))], "malformed"),
        ([BEGIN, pieces(piece("", 1))], "malformed"),
        ([BEGIN, pieces(piece("$" + ".a" * 40, 1))], "malformed"),
        ([BEGIN, pieces({"jsonPath": "$.a", "structValue": {}})], "malformed"),
        ([BEGIN, pieces("x")], "malformed"),
        ([BEGIN, *[pieces(piece("$.a", "x" * 65_536, more=True))] * 17], "malformed"),
    ],
)  # fmt: skip
def test_pieces_that_make_no_call_are_a_failure(calls: list[object], row: str) -> None:
    found = called(*calls)

    assert found.verdict == row
    assert b"[DONE]" not in found.output
