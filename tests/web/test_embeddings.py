"""Embeddings by HTTP, as the official client asks for them."""

from __future__ import annotations

import json
import math

import pytest
from openai import AsyncOpenAI, BadRequestError

from tests.serving import TOKEN, model, request, run, send, serving, settings
from tproxy.core.model import Kind

SERVED = settings(
    model("echo/embedding", kind=Kind.EMBEDDING, category="SMALL"),
    model("echo/small", category="SMALL"),
)


def test_the_official_client_gets_floats_of_base64() -> None:
    async def test() -> None:
        async with (
            serving(SERVED) as (proxy, recorder),
            AsyncOpenAI(base_url=proxy.url, api_key=TOKEN, max_retries=0) as client,
        ):
            reply = await client.embeddings.create(
                model="echo/embedding", input=["A cat", "A dog"], dimensions=16
            )

        assert [one.index for one in reply.data] == [0, 1]
        for one in reply.data:
            assert len(one.embedding) == 16
            assert math.isclose(math.hypot(*one.embedding), 1.0, abs_tol=1e-4)
        assert reply.usage.prompt_tokens == 4
        [event] = recorder.requests
        assert event.usage is not None
        assert event.usage.prompt == 4

    run(test)


@pytest.mark.parametrize("said", ["A cat", ["A cat"], [1, 2, 3], [[1, 2], [3]]])
def test_all_forms_of_input_are_taken(said: object) -> None:
    async def test() -> None:
        body = json.dumps({"model": "echo/embedding", "input": said}).encode()
        async with serving(SERVED) as (proxy, _):
            for path in ("/embeddings", "/v1/embeddings", "/v1/embeddings/"):
                reply = await send(proxy.port, request("POST", path, body))

                assert reply.status == 200
                assert reply.headers["content-type"] == "application/json"
                [first, *_] = json.loads(reply.body)["data"]
                assert isinstance(first["embedding"], list)

    run(test)


def test_what_cannot_be_embedded_is_refused() -> None:
    async def test() -> None:
        async with (
            serving(SERVED) as (proxy, _),
            AsyncOpenAI(base_url=proxy.url, api_key=TOKEN, max_retries=0) as client,
        ):
            with pytest.raises(BadRequestError, match="is not an embedding model"):
                await client.embeddings.create(model="echo/small", input="x")
            with pytest.raises(BadRequestError) as caught:
                await client.embeddings.create(model="echo/embedding", input=[])
            assert caught.value.param == "input"

    run(test)
