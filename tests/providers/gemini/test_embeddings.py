from __future__ import annotations

import base64
import json
import random
import struct
from contextlib import suppress
from typing import Any

import pytest

from tests.providers.gemini.models import BASE, model
from tests.values import KEY
from tproxy.contract import openai, tampering
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Received, Reply, UpstreamHead, UpstreamRequest, Usage
from tproxy.providers.gemini import DIALECT

MODEL = model("gemini-embedding-001")


def embedded(
    *answers: object, **fields: object
) -> tuple[list[UpstreamRequest], Reply | None]:
    """All requests made, and the reply where the answers suffice."""
    assert DIALECT.embeddings is not None
    asked = EmbeddingRequest.parse(json.dumps(fields).encode())
    steps = DIALECT.embeddings.embed(asked, MODEL)
    sent = [next(steps)]
    for said in answers:
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        try:
            sent.append(steps.send(Received(UpstreamHead(200, {}), body)))
        except StopIteration as stopped:
            return sent, stopped.value
    return sent, None


def vectors(*values: list[float], **more: object) -> dict[str, Any]:
    return {"embeddings": [{"values": one} for one in values], **more}


def test_texts_go_in_one_batch() -> None:
    [sent], _ = embedded(input=["a", "b"], dimensions=8, user="u")

    assert sent.url == f"{BASE}/models/gemini-embedding-001:batchEmbedContents"
    named = {"model": "models/gemini-embedding-001", "outputDimensionality": 8}
    assert json.loads(sent.body) == {
        "requests": [
            {**named, "content": {"parts": [{"text": "a"}]}},
            {**named, "content": {"parts": [{"text": "b"}]}},
        ]
    }
    assert sent.dropped == ("user",)


def test_vectors_are_in_openais_form() -> None:
    usage = {"promptTokenCount": 4}

    _, reply = embedded(
        vectors([0.5, 1], [0.25, -1], usageMetadata=usage), input=["a", "b"]
    )

    assert reply is not None
    assert openai.check_embeddings(reply.body) == [(0.5, 1), (0.25, -1)]
    assert json.loads(reply.body)["model"] == MODEL.name
    assert reply.usage == Usage(4, 0)


def test_vectors_are_base64_where_that_is_wanted() -> None:
    _, reply = embedded(vectors([0.5, 1]), input="a", encoding_format="base64")

    assert reply is not None
    [one] = json.loads(reply.body)["data"]
    packed = base64.b64encode(struct.pack("<2f", 0.5, 1)).decode()
    assert one["embedding"] == packed
    assert reply.usage is None


def test_many_texts_go_in_several_batches() -> None:
    texts = [str(n) for n in range(250)]
    batches = [
        vectors(*[[float(n)] for n in range(at, min(at + 100, 250))])
        for at in (0, 100, 200)
    ]

    sent, reply = embedded(*batches, input=texts)

    assert [len(json.loads(one.body)["requests"]) for one in sent] == [100, 100, 50]
    assert reply is not None
    assert openai.check_embeddings(reply.body) == [(float(n),) for n in range(250)]


def test_numbers_of_tokens_are_refused() -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embedded(input=[1, 2])

    assert (caught.value.failure.name, caught.value.param) == ("unsupported", "input")


@pytest.mark.parametrize(
    ("said", "row"),
    [
        ({}, "empty"),
        ({"embeddings": []}, "empty"),
        (vectors([]), "empty"),
        (b"", "empty"),
        (vectors([1.0], [1.0]), "malformed"),
        ({"embeddings": {"values": [1]}}, "malformed"),
        ({"embeddings": ["x"]}, "empty"),
        ({"embeddings": [{"values": ["x"]}]}, "malformed"),
        (b'{"embeddings":[{"values":[1e999]}]}', "malformed"),
        (b'{"embeddings":[{"values":[NaN]}]}', "malformed"),
        ({"error": {"code": 503, "message": "x"}}, "overloaded"),
    ],
)
def test_what_are_no_vectors_is_a_failure(said: object, row: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embedded(said, input="a")

    assert caught.value.failure.name == row


def test_a_tampered_answer_is_vectors_or_a_failure() -> None:
    good = vectors([0.5, 1], [0.25, -1], usageMetadata={"promptTokenCount": 4})
    body = json.dumps(good).encode()
    bodies = tampering.answers(body, random.Random(0), 500, KEY)

    for broken in (*tampering.WORTHLESS.values(), *tampering.lacking(body), *bodies):
        with suppress(UpstreamFailed):
            _, reply = embedded(broken, input=["a", "b"])
            assert reply is not None
            assert len(json.loads(reply.body)["data"]) == 2
