from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.walking import ok, sent, walk
from tests.values import KEY, embedding, model
from tproxy.core import failures
from tproxy.core.embedding import EmbeddingRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.model import Upstream
from tproxy.core.secret import Secret
from tproxy.core.upstream import Reply, Usage
from tproxy.providers import vectors
from tproxy.providers.openai import DIALECT
from tproxy.providers.shaped.embeddings import Embeddings

MODEL = model(
    upstream_name="m",
    upstream=Upstream("https://a.test/v1/embeddings", "openai", Secret(KEY)),
)
FLOATS = [0.5, -1.0, 0.25]
PACKED = base64.b64encode(struct.pack("<3f", *FLOATS)).decode()
TOKENS = {"prompt_tokens": 3, "total_tokens": 3}
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def answer(*found: object, **fields: object) -> dict[str, object]:
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in enumerate(found)
    ]
    return {"object": "list", "data": data, "model": "m-1", "usage": TOKENS, **fields}


def embedded(asked: EmbeddingRequest, said: object) -> Reply:
    _, reply = walk(Embeddings().embed(asked, MODEL), ok(said))
    return reply


def vectors_in(reply: Reply) -> list[Any]:
    return [entry["embedding"] for entry in json.loads(reply.body)["data"]]


def test_the_dialect_embeds() -> None:
    assert isinstance(DIALECT.embeddings, Embeddings)


@pytest.mark.parametrize("said", ["Hello", ["Hello"], [1, 2], [[1], [2, 3]]])
def test_a_request_is_the_clients_with_the_upstreams_model(said: object) -> None:
    asked = embedding(said, model="SMALL", dimensions=3, user="u", input_type="query")
    found = answer(*[FLOATS] * asked.count)

    [request], _ = walk(Embeddings().embed(asked, MODEL), ok(found))

    assert (request.method, request.url) == ("POST", "https://a.test/v1/embeddings")
    assert sent(request) == {**asked.document.values, "model": "m"}
    assert ("Content-Type", "application/json") in request.headers


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("float", FLOATS), (None, FLOATS), ("base64", PACKED), ("float", [1, 0, 2])],
)
def test_an_answer_in_the_encoding_asked_for_goes_on_as_it_is(
    encoding: str | None, found: object
) -> None:
    body = json.dumps(answer(found), indent=3).encode()

    reply = embedded(embedding(encoding_format=encoding), body)

    assert reply == Reply(body, Usage(3, 0))


def test_floats_become_base64_where_that_was_asked_for() -> None:
    asked = embedding(["a", "b"], encoding_format="base64")

    reply = embedded(asked, answer(FLOATS, PACKED, provider="p"))

    assert vectors_in(reply) == [PACKED, PACKED]
    assert json.loads(reply.body) == answer(PACKED, PACKED, provider="p")


def test_base64_becomes_floats_where_those_were_asked_for() -> None:
    assert vectors_in(embedded(embedding(), answer(PACKED))) == [FLOATS]


@pytest.mark.parametrize(
    ("said", "row"),
    [
        (b"", failures.EMPTY),
        ({}, failures.EMPTY),
        (answer(), failures.EMPTY),
        (answer([]), failures.EMPTY),
        (answer(""), failures.EMPTY),
        (answer(None), failures.EMPTY),
        ({"data": [{"index": 0}]}, failures.EMPTY),
        (answer(FLOATS, FLOATS), failures.MALFORMED),
        (answer(["a"]), failures.MALFORMED),
        (answer([[0.5]]), failures.MALFORMED),
        (answer([1, None]), failures.MALFORMED),
        (answer([1e300]), failures.MALFORMED),
        (answer([10**400]), failures.MALFORMED),
        (answer({"float": FLOATS}), failures.MALFORMED),
        (answer("no base64!"), failures.MALFORMED),
        (answer(PACKED[:-4]), failures.MALFORMED),
        (answer(base64.b64encode(b"\xff" * 8).decode()), failures.MALFORMED),
        (b'{"data": [{"embedding": [NaN]}]}', failures.MALFORMED),
        (b'{"data": [{"embedding": [1e999]}]}', failures.MALFORMED),
        ({"data": ["x"]}, failures.MALFORMED),
        (b"<html>", failures.MALFORMED),
        ({"error": {"message": "rate limit"}}, failures.RATE_LIMIT),
        ({"object": "error", "message": "x"}, failures.SERVER),
    ],
)
def test_no_vectors_are_a_failure(said: object, row: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embedded(embedding(), said)

    assert caught.value.failure is row


@given(JSON, st.sampled_from(["float", "base64"]))
def test_any_json_is_vectors_or_a_failure(said: Any, encoding: str) -> None:
    asked = embedding(encoding_format=encoding)
    for body in (said, {"data": said}, answer(said), answer(said, usage=said)):
        try:
            reply = embedded(asked, json.dumps(body).encode())
        except UpstreamFailed:
            continue
        [vector] = vectors_in(reply)
        assert isinstance(vector, str if asked.base64 else list)


def test_vectors_of_another_dialect_are_told_in_openais_form() -> None:
    asked = embedding(["a", "b"], encoding_format="base64")

    reply = vectors.reply(asked, MODEL, [FLOATS, FLOATS], 5)

    usage = {"prompt_tokens": 5, "total_tokens": 5}
    expected = answer(PACKED, PACKED, model="a", usage=usage)
    assert json.loads(reply.body) == expected
    assert reply.usage == Usage(5, 0)
    assert vectors.reply(embedding(), MODEL, [FLOATS], None).usage is None


@pytest.mark.parametrize("count", [0, 1, 3])
def test_there_is_a_vector_for_each_input(count: int) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        vectors.reply(embedding(["a", "b"]), MODEL, [FLOATS] * count, None)

    assert caught.value.failure.name == ("malformed" if count else "empty")
