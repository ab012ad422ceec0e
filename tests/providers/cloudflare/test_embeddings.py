from __future__ import annotations

import json

import pytest

from tests.providers.cloudflare import MODEL
from tests.providers.walking import ok, sent, walk
from tests.values import embedding
from tproxy.contract import openai
from tproxy.core import failures
from tproxy.core.errors import UpstreamFailed
from tproxy.core.failures import Failure
from tproxy.core.upstream import Reply, UpstreamRequest
from tproxy.providers.cloudflare import DIALECT


def embedded(said: object, **asked: object) -> tuple[UpstreamRequest, Reply]:
    texts = embedding(asked.pop("input", ["a", "b"]), **asked)
    assert DIALECT.embeddings is not None
    [request], reply = walk(DIALECT.embeddings.embed(texts, MODEL), ok(said))
    return request, reply


def vectors(*data: object) -> dict[str, object]:
    return {"result": {"shape": [len(data), 2], "data": [*data]}, "success": True}


@pytest.mark.parametrize("form", ["float", "base64"])
def test_texts_become_vectors(form: str) -> None:
    request, reply = embedded(
        vectors([1.0, 0.5], [0.25, 0]), encoding_format=form, user="u"
    )

    assert sent(request) == {"text": ["a", "b"]}
    assert request.dropped == ("user",)
    assert openai.check_embeddings(reply.body) == [(1.0, 0.5), (0.25, 0.0)]
    assert json.loads(reply.body)["model"] == "llama"


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        ({}, failures.EMPTY),
        ({"result": {"data": "x"}}, failures.EMPTY),
        (vectors(), failures.EMPTY),
        (vectors([1.0]), failures.MALFORMED),
        (vectors([1.0], ["x"]), failures.MALFORMED),
        ({"success": False, "errors": [{"message": "boom"}]}, failures.SERVER),
    ],
)
def test_what_is_no_vector_is_a_failure(said: object, failure: Failure) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embedded(said)

    assert caught.value.failure is failure


@pytest.mark.parametrize("fields", [{"input": [1, 2]}, {"dimensions": 64}])
def test_what_has_no_words_is_unsupported(fields: dict[str, object]) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        embedded({}, **fields)

    assert caught.value.failure is failures.UNSUPPORTED
