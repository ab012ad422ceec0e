from __future__ import annotations

import json
from typing import Any

import pytest

from tests.providers.cohere.models import BASE, model
from tests.providers.walking import ok, sent, walk
from tests.values import embedding
from tproxy.core.errors import InvalidRequest, UpstreamFailed
from tproxy.core.upstream import Usage
from tproxy.providers.cohere.embeddings import Embeddings

MODEL = model("embed-v4.0", url=f"{BASE}/embed")


def vectors(*made: Any, tokens: Any = 3) -> dict[str, Any]:
    meta = {"billed_units": {"input_tokens": tokens}}
    return {"id": "e", "embeddings": {"float": list(made)}, "meta": meta}


def test_what_is_embedded_and_why_is_said() -> None:
    texts = embedding(
        "Hi", dimensions=256, input_type="search_query", truncate="END", user="u"
    )

    [request], reply = walk(Embeddings().embed(texts, MODEL), ok(vectors([0.5, 1])))

    assert request.url == f"{BASE}/embed"
    assert request.dropped == ("user",)
    assert sent(request) == {
        "model": "embed-v4.0",
        "texts": ["Hi"],
        "input_type": "search_query",
        "embedding_types": ["float"],
        "output_dimension": 256,
        "truncate": "END",
    }
    [one] = json.loads(reply.body)["data"]
    assert one == {"object": "embedding", "index": 0, "embedding": [0.5, 1]}
    assert reply.usage == Usage(3, 0)


def test_documents_are_what_is_embedded_where_nothing_is_said() -> None:
    [request], reply = walk(
        Embeddings().embed(embedding("Hi", encoding_format="base64"), MODEL),
        ok(vectors([0.5])),
    )

    assert sent(request)["input_type"] == "search_document"
    assert json.loads(reply.body)["data"][0]["embedding"] == "AAAAPw=="


def test_many_texts_are_asked_for_in_several_calls() -> None:
    texts = [f"text {number}" for number in range(100)]

    requests, reply = walk(
        Embeddings().embed(embedding(texts), MODEL),
        ok(vectors(*([number] for number in range(96)))),
        ok(vectors(*([number] for number in range(96, 100)), tokens=4)),
    )

    assert [len(sent(request)["texts"]) for request in requests] == [96, 4]
    said = json.loads(reply.body)
    assert [one["embedding"] for one in said["data"]] == [[n] for n in range(100)]
    assert said["usage"] == {"prompt_tokens": 7, "total_tokens": 7}


def test_numbers_of_tokens_cannot_be_said() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        next(Embeddings().embed(embedding([1, 2]), MODEL))

    assert (caught.value.failure.name, caught.value.param) == ("unsupported", "input")


@pytest.mark.parametrize("field", ["input_type", "truncate"])
def test_a_purpose_nobody_knows_is_the_clients_fault(field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        next(Embeddings().embed(embedding("Hi", **{field: "x"}), MODEL))

    assert caught.value.param == field


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (b"", "empty"),
        (b"[]", "malformed"),
        (b"{", "malformed"),
        ({"embeddings": {"float": {}}}, "malformed"),
        ({"embeddings": {}}, "malformed"),
        ({}, "malformed"),
        (vectors(), "malformed"),
        (vectors([1], [2]), "malformed"),
        (vectors([]), "empty"),
        (vectors(["x"]), "malformed"),
        (vectors([1e300]), "malformed"),
        (vectors([float("nan")]), "malformed"),
        ({"message": "too many requests"}, "rate_limit"),
    ],
)
def test_an_answer_without_all_vectors_fails(answer: Any, row: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        walk(Embeddings().embed(embedding("Hi"), MODEL), ok(answer))

    assert caught.value.failure.name == row


@pytest.mark.parametrize("tokens", [None, "3", -1])
def test_an_answer_may_not_say_what_it_cost(tokens: Any) -> None:
    _, reply = walk(
        Embeddings().embed(embedding("Hi"), MODEL), ok(vectors([1], tokens=tokens))
    )

    assert json.loads(reply.body)["usage"]["prompt_tokens"] == 0
