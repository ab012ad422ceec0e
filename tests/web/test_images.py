"""Images by HTTP: whose form they have, and what is not answered with one."""

from __future__ import annotations

import base64
import json

import attrs
import pytest
from openai import AsyncOpenAI

from tests.serving import (
    TOKEN,
    Reply,
    client,
    model,
    request,
    run,
    send,
    serving,
    settings,
)
from tests.values import per
from tproxy.core import pictures
from tproxy.core.model import Kind
from tproxy.core.windows import MINUTE

SERVED = settings(
    model("echo/image", kind=Kind.IMAGE, category="SMALL"),
    model("echo/small", category="SMALL"),
)
AUTHORIZED = f"Authorization: Bearer {TOKEN}"


async def asked(path: str, *headers: str, **fields: object) -> Reply:
    said = {"model": "echo/image", "prompt": "A cat", "size": "64x64", **fields}
    body = json.dumps(said).encode()
    async with serving(SERVED) as (proxy, _):
        raw = request("POST", path, body, (AUTHORIZED, *headers))
        return await send(proxy.port, raw)


def picture(reply: Reply) -> bytes:
    [entry] = json.loads(reply.body)["data"]
    return base64.b64decode(entry["b64_json"])


@pytest.mark.parametrize("path", ["/image", "/v1/image", "/v1/image/"])
def test_the_image_itself_is_answered_with_its_true_type(path: str) -> None:
    async def test() -> None:
        reply = await asked(path, "Accept: image/webp, */*")

        assert reply.status == 200
        assert reply.headers["content-type"] == "image/png"
        assert reply.headers["x-tproxy-model"] == "echo/image"
        assert pictures.sniff(reply.body) == "image/png"

    run(test)


@pytest.mark.parametrize(
    ("path", "accept", "form"),
    [
        ("/images/generations", "image/png", None),
        ("/v1/images/generations", "*/*", None),
        ("/v1/images/generations", "*/*", "b64_json"),
        ("/image", "application/json", None),
        ("/image", "Application/JSON;q=0.9, */*;q=0.1", None),
        ("/image", "image/png", "b64_json"),
    ],
)
def test_json_is_answered_where_it_is_asked_for(
    path: str, accept: str, form: str | None
) -> None:
    async def test() -> None:
        reply = await asked(path, f"Accept: {accept}", response_format=form)

        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        assert pictures.sniff(picture(reply)) == "image/png"

    run(test)


@pytest.mark.parametrize("accept", ["image/*", "application/json, image/png", "*/*"])
def test_who_takes_images_gets_one(accept: str) -> None:
    async def test() -> None:
        reply = await asked("/image", f"Accept: {accept}")

        assert reply.headers["content-type"] == "image/png"

    run(test)


@pytest.mark.parametrize("allowed", [("*",), ("echo/*",)])
def test_who_names_no_model_gets_one_that_draws(allowed: tuple[str, ...]) -> None:
    async def test() -> None:
        served = attrs.evolve(SERVED, clients=(client(models=allowed),))
        async with serving(served) as (proxy, _):
            raw = request("POST", "/image", b'{"prompt": "A cat"}', (AUTHORIZED,))
            reply = await send(proxy.port, raw)

        assert reply.status == 200
        assert reply.headers["x-tproxy-model"] == "echo/image"
        assert reply.headers["x-tproxy-reason"] == "image model"

    run(test)


def test_a_url_holds_the_image_where_the_provider_has_none() -> None:
    async def test() -> None:
        reply = await asked("/image", response_format="url")

        [entry] = json.loads(reply.body)["data"]
        assert entry["url"].startswith("data:image/png;base64,")

    run(test)


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"model": "echo/small"}, "model", "echo/small is not an image model."),
        ({"prompt": ""}, "prompt", "prompt is required."),
        ({"n": 2}, "n", "n must be 1 where the answer is the image itself."),
        ({"size": "big"}, "size", "size must be WIDTHxHEIGHT in pixels, or auto."),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    fields: dict[str, object], param: str, message: str
) -> None:
    async def test() -> None:
        reply = await asked("/image", **fields)

        assert reply.status == 400
        assert reply.error["code"] == "invalid_request"
        assert (reply.error["param"], reply.error["message"]) == (param, message)

    run(test)


def test_an_image_model_does_not_chat() -> None:
    async def test() -> None:
        said = {"model": "echo/image", "messages": [{"role": "user", "content": "x"}]}
        raw = request("POST", "/chat/completions", json.dumps(said).encode())
        async with serving(SERVED) as (proxy, _):
            reply = await send(proxy.port, raw)

        assert reply.status == 400
        assert reply.error["message"] == "echo/image is not a chat model."

    run(test)


def test_of_a_category_the_model_that_draws_is_asked() -> None:
    async def test() -> None:
        for name in ("SMALL", None):
            said = {"prompt": "A cat", **({} if name is None else {"model": name})}
            raw = request("POST", "/image", json.dumps(said).encode())
            async with serving(SERVED) as (proxy, recorder):
                reply = await send(proxy.port, raw)

            assert reply.headers["x-tproxy-model"] == "echo/image"
            [event] = recorder.requests
            assert [a.outcome for a in event.attempts] == ["answered"]
            assert event.usage is not None
            assert (event.usage.prompt, event.usage.completion) == (2, 1)

    run(test)


def test_images_count_against_quotas() -> None:
    async def test() -> None:
        once = model("echo/image", kind=Kind.IMAGE, limits=(per(MINUTE, 1),))
        raw = request("POST", "/image", b'{"model": "echo/image", "prompt": "x"}')
        async with serving(settings(once)) as (proxy, _):
            first = await send(proxy.port, raw)
            second = await send(proxy.port, raw)

        assert first.status == 200
        assert first.headers["x-ratelimit-remaining-requests"] == "0"
        assert second.status == 429
        assert second.error["code"] == "quota_exhausted"

    run(test)


def test_the_official_client_draws() -> None:
    async def test() -> None:
        async with (
            serving(SERVED) as (proxy, _),
            AsyncOpenAI(base_url=proxy.url, api_key=TOKEN, max_retries=0) as client,
        ):
            reply = await client.images.generate(
                model="echo/image", prompt="A cat", n=2, size="256x256"
            )

        assert reply.data is not None
        assert len(reply.data) == 2
        for image in reply.data:
            data = base64.b64decode(image.b64_json or "")
            assert pictures.sniff(data) == "image/png"
        assert reply.usage is not None
        assert reply.usage.total_tokens == 4

    run(test)
