"""OpenAI's client asks for pictures, through a proxy, of a simulated Cloudflare."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

import attrs
import pytest
from openai import AsyncOpenAI

from tests.e2e.stage import PATIENT, staged
from tests.serving import TOKEN, run
from tests.simulators import Provider, scene
from tests.simulators.cloudflare import PROVIDER
from tests.simulators.simulator import Simulator, simulating
from tproxy.contract.openai import check_images
from tproxy.core import pictures
from tproxy.core.budget import Budget
from tproxy.core.model import Kind, Model

painters = pytest.mark.parametrize("name", ["flux-2", "diffusion"])


def drawing(
    provider: Provider,
    name: str,
    test: Callable[[AsyncOpenAI, Simulator], Awaitable[None]],
) -> None:
    """Run `test` with a client of a proxy that has one model, a "painter"."""

    async def whole() -> None:
        async with simulating(provider.answer) as simulator:
            chats = provider.upstream(simulator.url)
            base = chats.url.removesuffix("/v1/chat/completions")
            model = Model(
                name="painter",
                provider="p",
                upstream_name=name,
                upstream=attrs.evolve(chats, url=base, patience=PATIENT),
                budgets=(Budget("model:painter", ()),),
                kind=Kind.IMAGE,
            )
            async with (
                staged(model) as stage,
                AsyncOpenAI(
                    base_url=stage.proxy.url, api_key=TOKEN, max_retries=0
                ) as client,
            ):
                await test(client, simulator)

    run(whole)


@painters
def test_pictures_are_drawn_one_by_one(name: str) -> None:
    async def test(client: AsyncOpenAI, simulator: Simulator) -> None:
        raw = await client.images.with_raw_response.generate(
            model="painter", prompt=scene.HELLO, size="1024x1024", n=2
        )

        for picture in check_images(raw.content):
            assert isinstance(picture, bytes)
            assert pictures.sniff(picture) == "image/png"
        assert len(simulator.requests) == 2

    drawing(PROVIDER, f"@cf/simulated/{name}", test)


@painters
def test_a_url_is_a_data_url(name: str) -> None:
    async def test(client: AsyncOpenAI, simulator: Simulator) -> None:
        reply = await client.images.generate(
            model="painter", prompt="A cat", response_format="url"
        )

        [picture] = reply.data or []
        head, _, data = (picture.url or "").partition(",")
        assert head == "data:image/png;base64"
        assert pictures.sniff(base64.b64decode(data)) == "image/png"

    drawing(PROVIDER, f"@cf/simulated/{name}", test)
