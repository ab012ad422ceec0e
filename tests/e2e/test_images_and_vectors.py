"""Images and vectors over real sockets: failover, links, the guard, and who leaves."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
from openai import AsyncOpenAI

from tests import dialect as openai_dialect
from tests.e2e.stage import KEY, Call, Listener, at
from tests.faults.script import End, head, whole
from tests.faults.upstream import scripted
from tests.serving import TOKEN, request, run, send, settings
from tests.values import PNG, PNG_BASE64
from tproxy.app import Proxy
from tproxy.core.model import Kind, Model
from tproxy.transport.guard import Outside, is_public

DRAWN = whole(json.dumps({"data": [{"b64_json": PNG_BASE64}]}).encode())
TINY = whole(json.dumps({"data": [{"b64_json": PNG_BASE64[:24]}]}).encode())
PICTURE = whole(PNG, headers={"Content-Type": "application/octet-stream"})
FLOATS = [0.5, -1.0, 0.25]


def anywhere(address: str) -> bool:
    return True


def drawing(url: str, name: str, priority: int = 1) -> Model:
    return attrs.evolve(at(url, name, priority), kind=Kind.IMAGE)


@asynccontextmanager
async def proxying(
    *models: Model,
    permits: Callable[[str], bool] = is_public,
    fetch_images: bool = False,
) -> AsyncIterator[tuple[Proxy, Listener]]:
    recorder = Listener()
    served = settings(*models, fetch_images=fetch_images)
    proxy = Proxy(served, recorder, outside=Outside(permits))
    await proxy.start()
    try:
        yield proxy, recorder
    finally:
        await proxy.stop()


def image(**fields: object) -> bytes:
    body = json.dumps({"model": "SMALL", "prompt": "A cat", **fields}).encode()
    return request("POST", "/v1/image", body)


def linking_to(url: str) -> bytes:
    link = {"type": "image_url", "image_url": {"url": url}}
    messages = [{"role": "user", "content": [{"type": "text", "text": "?"}, link]}]
    body = json.dumps({"model": "SMALL", "messages": messages}).encode()
    return request("POST", "/v1/chat/completions", body)


def test_a_tiny_image_is_a_failure_and_the_next_model_is_asked() -> None:
    async def test() -> None:
        async with (
            scripted(TINY) as poor,
            scripted(DRAWN) as good,
            proxying(drawing(poor.url, "poor"), drawing(good.url, "good", 2)) as (
                proxy,
                recorder,
            ),
        ):
            reply = await send(proxy.port, image())

        assert reply.body == PNG
        assert reply.headers["x-tproxy-model"] == "good"
        [event] = recorder.requests
        assert [a.outcome for a in event.attempts] == ["empty", "answered"]
        assert good.asked[0].headers["authorization"] == f"Bearer {KEY}"

    run(test)


def test_a_link_of_the_provider_is_followed_without_its_key() -> None:
    async def test() -> None:
        async with scripted(PICTURE) as store:
            url = f"http://localhost:{store.port}/1.png?sig=1"
            linked = whole(json.dumps({"data": [{"url": url}]}).encode())
            async with (
                scripted(linked) as provider,
                proxying(drawing(provider.url, "m"), permits=anywhere) as (proxy, _),
            ):
                reply = await send(proxy.port, image())

        assert reply.body == PNG
        assert reply.headers["content-type"] == "image/png"
        [asked] = store.asked
        assert (asked.method, asked.path) == ("GET", "/1.png?sig=1")
        assert KEY not in str(asked.headers)

    run(test)


def test_a_provider_cannot_have_us_look_at_home() -> None:
    async def test() -> None:
        async with scripted(PICTURE) as secret:
            url = f"http://localhost:{secret.port}/1.png"
            linked = whole(json.dumps({"data": [{"url": url}]}).encode())
            async with (
                scripted(linked) as provider,
                proxying(drawing(provider.url, "m")) as (proxy, recorder),
            ):
                reply = await send(proxy.port, image())

        assert (reply.status, reply.error["code"]) == (502, "upstream_error")
        assert secret.accepted == []
        [event] = recorder.requests
        assert "forbidden address" in event.attempts[0].detail

    run(test)


def test_a_url_is_handed_on_where_no_bytes_are_asked_for() -> None:
    async def test() -> None:
        body = b'{"data": [{"url": "https://pictures.test/1.png"}], "created": 1}'
        async with (
            scripted(whole(body)) as provider,
            proxying(drawing(provider.url, "m")) as (proxy, _),
        ):
            raw = request("POST", "/v1/images/generations", b'{"prompt": "x"}')
            reply = await send(proxy.port, raw)

        assert reply.body == body

    run(test)


def test_who_leaves_while_an_image_is_made_takes_the_exchange_along() -> None:
    async def test() -> None:
        async with (
            scripted([head(), b"{", End.HOLD]) as provider,
            proxying(drawing(provider.url, "m")) as (proxy, recorder),
        ):
            calling = asyncio.ensure_future(Call.begin(proxy.port, image()))
            asked = await provider.first_asked()
            calling.cancel()
            await asked.left.wait()
            event = await recorder.request()

        assert event.left
        assert [a.outcome for a in event.attempts] == ["left"]

    run(test)


def test_floats_reach_the_official_client_as_the_base64_it_asks_for() -> None:
    async def test() -> None:
        said = {"data": [{"index": 0, "embedding": FLOATS}], "model": "m-1"}
        async with scripted(whole(json.dumps(said).encode())) as provider:
            model = attrs.evolve(at(provider.url, "m"), kind=Kind.EMBEDDING)
            async with (
                proxying(model) as (proxy, _),
                AsyncOpenAI(base_url=proxy.url, api_key=TOKEN) as client,
            ):
                reply = await client.embeddings.create(model="m", input="Hello")

        assert json.loads(provider.asked[0].body)["encoding_format"] == "base64"
        assert reply.data[0].embedding == FLOATS
        assert reply.model == "m-1"

    run(test)


def test_base64_reaches_who_asks_for_floats() -> None:
    async def test() -> None:
        packed = base64.b64encode(struct.pack("<3f", *FLOATS)).decode()
        said = {"data": [{"index": 0, "embedding": packed}]}
        async with scripted(whole(json.dumps(said).encode())) as provider:
            model = attrs.evolve(at(provider.url, "m"), kind=Kind.EMBEDDING)
            async with proxying(model) as (proxy, _):
                body = b'{"model": "m", "input": "Hello", "encoding_format": "float"}'
                reply = await send(proxy.port, request("POST", "/embeddings", body))

        assert json.loads(reply.body)["data"][0]["embedding"] == FLOATS

    run(test)


GEMINI = whole(
    json.dumps(
        {
            "candidates": [
                {"content": {"parts": [{"text": "A cat"}]}, "finishReason": "STOP"}
            ],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2},
        }
    ).encode()
)


def by_gemini(port: int) -> Model:
    model = at(f"http://127.0.0.1:{port}/v1beta", "m")
    return attrs.evolve(model, upstream=attrs.evolve(model.upstream, dialect="gemini"))


def test_a_clients_link_is_fetched_for_a_provider_that_takes_no_links() -> None:
    async def test() -> None:
        async with (
            scripted(PICTURE) as store,
            scripted(GEMINI) as provider,
            proxying(by_gemini(provider.port), permits=anywhere, fetch_images=True) as (
                proxy,
                _,
            ),
        ):
            reply = await send(
                proxy.port, linking_to(f"http://localhost:{store.port}/1.png")
            )

        assert json.loads(reply.body)["choices"][0]["message"]["content"] == "A cat"
        inline = {"mimeType": "image/png", "data": PNG_BASE64}
        assert {"inlineData": inline} in (
            json.loads(provider.asked[0].body)["contents"][0]["parts"]
        )

    run(test)


def test_a_clients_link_is_fetched_only_where_that_is_configured_and_allowed() -> None:
    async def test() -> None:
        async with scripted(PICTURE) as store, scripted(GEMINI) as provider:
            url = f"http://localhost:{store.port}/1.png"
            for configured in (False, True):
                async with proxying(
                    by_gemini(provider.port), fetch_images=configured
                ) as (proxy, _):
                    reply = await send(proxy.port, linking_to(url))
                assert reply.status == 400
                assert reply.error["code"] == "invalid_request"
                param = str(reply.error["param"])
                assert param.startswith("messages[0].content[1]")
                assert url not in str(reply.error["message"])
        assert store.accepted == provider.accepted == []

    run(test)


def test_a_clients_link_stays_where_the_provider_takes_it() -> None:
    async def test() -> None:
        async with (
            scripted(whole(openai_dialect.completion("A cat"))) as provider,
            proxying(at(provider.url, "m"), permits=anywhere, fetch_images=True) as (
                proxy,
                _,
            ),
        ):
            raw = linking_to("http://localhost:1/1.png")
            reply = await send(proxy.port, raw)

        assert reply.status == 200
        assert b"http://localhost:1/1.png" in provider.asked[0].body

    run(test)
