from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.ollama.test_request import BASE, MODEL
from tests.providers.walking import ok, sent, walk
from tests.values import embedding
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Usage
from tproxy.providers.ollama import DIALECT


def embed(answer: object, said: object = "Hello", **fields: object) -> Any:
    assert DIALECT.embeddings is not None
    steps = DIALECT.embeddings.embed(embedding(said, **fields), MODEL)
    [request], reply = walk(steps, ok(answer))
    return request, reply


def test_texts_become_vectors() -> None:
    made = {"embeddings": [[0.5, 1.0], [0.25, 2.0]], "prompt_eval_count": 4}

    request, reply = embed(made, ["a", "b"], dimensions=2, truncate=False, user="u")

    assert request.url == f"{BASE}/api/embed"
    asked = {"model": "qwen3:14b", "input": ["a", "b"]}
    assert sent(request) == {**asked, "dimensions": 2, "truncate": False}
    assert request.dropped == ("user",)
    vectors = [one["embedding"] for one in json.loads(reply.body)["data"]]
    assert vectors == made["embeddings"]
    assert reply.usage == Usage(4, 0)


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (b"", "empty"),
        ({}, "empty"),
        ({"embeddings": []}, "empty"),
        ({"embeddings": [[]]}, "empty"),
        ({"embeddings": {}}, "malformed"),
        ({"embeddings": [[1.0], [2.0]]}, "malformed"),
        ({"error": "the input length exceeds the context length"}, "too_long"),
    ],
)
def test_what_is_no_vector_is_a_failure(answer: object, row: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embed(answer)

    assert caught.value.failure.name == row


def test_numbers_of_tokens_cannot_be_said() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embed({}, [1, 2])

    assert caught.value.param == "input"
