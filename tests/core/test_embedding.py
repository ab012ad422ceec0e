from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.embedding import MOST_INPUTS, EmbeddingRequest
from tproxy.core.errors import InvalidRequest
from tproxy.core.model import Kind

FORM = "must be a string, or an array of strings or of tokens"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def parse(**fields: Any) -> EmbeddingRequest:
    said = {"input": "A cat", **fields}
    return EmbeddingRequest.parse(json.dumps(said).encode(), "id", 7)


@pytest.mark.parametrize(
    ("said", "texts", "count", "text_bytes"),
    [
        ("A cat", ("A cat",), 1, 5),
        ("", ("",), 1, 0),
        ("кот", ("кот",), 1, 6),
        (["a", "bc"], ("a", "bc"), 2, 3),
        ([1, 2, 3], (), 1, 12),
        ([[1, 2], [3]], (), 2, 12),
    ],
)
def test_inputs_are_texts_or_tokens(
    said: object, texts: tuple[str, ...], count: int, text_bytes: int
) -> None:
    request = parse(input=said)

    assert (request.texts, request.count) == (texts, count)
    assert request.text_bytes == text_bytes


def test_all_that_a_client_may_say_is_read() -> None:
    request = parse(model="m", dimensions=256, encoding_format="base64", user="u")

    assert (request.model, request.dimensions, request.base64) == ("m", 256, True)
    assert (request.id, request.created, request.kind) == ("id", 7, Kind.EMBEDDING)
    assert parse().output_tokens == 0  # vectors are none
    assert not parse(encoding_format="float").base64
    assert not parse(encoding_format=None, dimensions=None).base64


@pytest.mark.parametrize(
    ("fields", "param", "problem"),
    [
        ({"input": None}, "input", "is required"),
        ({"input": []}, "input", FORM),
        ({"input": {}}, "input", FORM),
        ({"input": 1}, "input", FORM),
        ({"input": [["a"]]}, "input[0]", "must be a string or an array of tokens"),
        ({"input": [[]]}, "input[0]", "must be a string or an array of tokens"),
        ({"input": ["a", 1]}, "input[1]", "must be a string or an array of tokens"),
        ({"input": [1, True]}, "input[0]", "must be a string or an array of tokens"),
        ({"input": [-1]}, "input[0]", "must be a string or an array of tokens"),
        ({"input": ["a", [1]]}, "input", "must be all strings or all tokens"),
        ({"input": ["a"] * (MOST_INPUTS + 1)}, "input", "must not hold more than 2048"),
        ({"model": 1}, "model", "must be a string"),
        ({"dimensions": 0}, "dimensions", "must be a whole number from 1 to 65536"),
        ({"encoding_format": "int8"}, "encoding_format", "must be float or base64"),
    ],
)
def test_what_is_wrong_is_told_with_the_fields_name(
    fields: dict[str, Any], param: str, problem: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(**fields)

    assert (caught.value.param, caught.value.message) == (param, f"{param} {problem}.")


def test_texts_are_kept_out_of_reprs() -> None:
    assert "cat" not in repr(parse())


@given(JSON)
def test_any_json_is_read_or_refused(said: object) -> None:
    for body in (said, {"input": said}, {"input": [said, said]}):
        with suppress(InvalidRequest):
            asked = EmbeddingRequest.parse(json.dumps(body).encode())
            assert asked.text_bytes >= sum(map(len, asked.texts))
