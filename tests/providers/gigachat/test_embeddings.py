from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.providers.gigachat import BASE, MODEL
from tests.providers.walking import ok, sent, walk
from tproxy.core import failures
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.upstream import Reply, UpstreamRequest, Usage
from tproxy.providers.gigachat import DIALECT

RECORDINGS = Path(__file__).parents[2] / "recordings" / "gigachat"


def embed(answer: object, **fields: object) -> tuple[UpstreamRequest, Reply]:
    asked = EmbeddingRequest.parse(json.dumps({"input": "A", **fields}).encode())
    assert DIALECT.embeddings is not None
    [request], reply = walk(DIALECT.embeddings.embed(asked, MODEL), ok(answer))
    return request, reply


def vector(index: object = 0, *, tokens: object = 7) -> dict[str, object]:
    usage = {"prompt_tokens": tokens}
    return {"index": index, "embedding": [0.5, float(str(index))], "usage": usage}


def vectors(reply: Reply) -> list[Any]:
    return [one["embedding"] for one in json.loads(reply.body)["data"]]


def test_recorded_vectors_are_openais() -> None:
    [path] = RECORDINGS.glob("*embeddings*")
    recorded = json.loads(path.read_text("utf-8"))
    body = recorded["request"]["body"]
    answer = json.loads(recorded["response"]["body"])

    request, reply = embed(answer, input=body["input"])

    assert request.url == f"{BASE}/embeddings"
    assert sent(request) == {**body, "model": "GigaChat-2"}
    told = json.loads(reply.body)
    assert vectors(reply) == [one["embedding"] for one in answer["data"]]
    assert told["usage"] == {"prompt_tokens": 14, "total_tokens": 14}
    assert told["model"] == "giga"
    assert reply.usage == Usage(14, 0)


def test_vectors_are_told_in_the_order_of_the_texts() -> None:
    _, reply = embed({"data": [vector(1), vector(0)]}, input=["A", "B"])

    assert vectors(reply) == [[0.5, 0.0], [0.5, 1.0]]


def test_vectors_come_as_base64_where_that_is_asked_for() -> None:
    _, reply = embed({"data": [vector()]}, encoding_format="base64")

    assert vectors(reply) == ["AAAAPwAAAAA="]


@pytest.mark.parametrize("tokens", [None, "7", -1, True])
def test_usage_that_is_not_told_is_not_counted(tokens: object) -> None:
    _, reply = embed({"data": [vector(tokens=tokens)]})

    assert reply.usage is None


def test_hints_it_has_no_words_for_are_named() -> None:
    request, _ = embed({"data": [vector()]}, user="u", encoding_format="float")

    assert request.dropped == ("user",)


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"input": [1, 2]}, "input"), ({"dimensions": 8}, "dimensions")],
)
def test_what_cannot_be_said_is_refused(fields: dict[str, object], param: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embed({}, **fields)

    assert (caught.value.failure, caught.value.param) == (failures.UNSUPPORTED, param)


@pytest.mark.parametrize(
    ("answer", "row"),
    [
        (b"", failures.EMPTY),
        (b"null", failures.MALFORMED),
        ({}, failures.EMPTY),
        ({"data": []}, failures.EMPTY),
        ({"data": {}}, failures.MALFORMED),
        ({"data": [1]}, failures.MALFORMED),
        ({"data": [vector(5)]}, failures.MALFORMED),
        ({"data": [vector(), vector(1)]}, failures.MALFORMED),
        ({"data": [{"index": 0}]}, failures.EMPTY),
        ({"data": [{"index": 0, "embedding": ["x"]}]}, failures.MALFORMED),
        ({"status": 404, "message": "No such model"}, failures.MISSING),
    ],
)
def test_what_is_no_answer_is_a_failure(answer: object, row: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embed(answer)

    assert caught.value.failure is row
