from __future__ import annotations

import base64
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.echo.embeddings import embeddings, vector
from tproxy.echo.errors import Refused


def made(said: object, **fields: Any) -> Any:
    return embeddings({"model": "echo-embedding", "input": said, **fields})


def vectors(said: object, **fields: Any) -> list[Any]:
    return [entry["embedding"] for entry in made(said, **fields)["data"]]


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@given(st.lists(st.text()), st.integers(1, 100))
def test_every_vector_has_the_length_one(words: list[str], dimensions: int) -> None:
    found = vector(words, dimensions)

    assert len(found) == dimensions
    assert math.isclose(math.hypot(*found), 1.0, abs_tol=1e-4)


def test_texts_that_share_words_are_near_each_other() -> None:
    cat, kitten, stone = vectors(["the cat sat", "The cat ran", "a grey stone"])

    assert near(cat, kitten) > 0.5 > abs(near(cat, stone))


@pytest.mark.parametrize(
    ("said", "count", "tokens"),
    [
        ("a b", 1, 2),
        ("", 1, 0),
        (["a", "b c"], 2, 3),
        ([1, 2], 1, 2),
        ([[1], [2]], 2, 2),
    ],
)
def test_the_reply_is_openais(said: object, count: int, tokens: int) -> None:
    reply = made(said, dimensions=3)

    assert (reply["object"], reply["model"]) == ("list", "echo-embedding")
    assert [entry["index"] for entry in reply["data"]] == [*range(count)]
    assert all(len(entry["embedding"]) == 3 for entry in reply["data"])
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_base64_is_the_same_in_other_words() -> None:
    [floats], [packed] = vectors("a"), vectors("a", encoding_format="base64")

    found = struct.unpack(f"<{len(floats)}f", base64.b64decode(packed))
    assert [round(one, 6) for one in found] == floats


@pytest.mark.parametrize(
    ("said", "fields", "param"),
    [
        (None, {}, "input"),
        ([], {}, "input"),
        ({}, {}, "input"),
        ([["a"]], {}, "input[0]"),
        (["a", 1], {}, "input[1]"),
        ("a", {"dimensions": 0}, "dimensions"),
        ("a", {"model": 1}, "model"),
        ("a", {"encoding_format": "int8"}, "encoding_format"),
    ],
)
def test_what_openai_would_refuse_is_refused(
    said: object, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(Refused) as caught:
        made(said, **fields)

    assert caught.value.param == param
