"""OpenAI's client asks for pictures, through a proxy, of a simulated Hugging Face."""

from __future__ import annotations

import base64

import openai
import pytest
from openai import AsyncOpenAI

from tests.providers.cloudflare.test_simulated import drawing
from tests.simulators.huggingface import LOADING, PROVIDER
from tests.simulators.simulator import Simulator, instead
from tproxy.core import pictures


def test_a_picture_is_drawn() -> None:
    async def test(client: AsyncOpenAI, simulator: Simulator) -> None:
        reply = await client.images.generate(
            model="painter", prompt="A cat", response_format="b64_json"
        )

        [picture] = reply.data or []
        data = base64.b64decode(picture.b64_json or "")
        assert pictures.sniff(data) == "image/jpeg"

    drawing(PROVIDER, "x/flux", test)


def test_a_model_that_is_loading_is_an_error_and_passes() -> None:
    async def test(client: AsyncOpenAI, simulator: Simulator) -> None:
        simulator.fail(instead(LOADING))

        with pytest.raises(openai.InternalServerError) as caught:
            await client.images.generate(model="painter", prompt="A cat")

        assert caught.value.code == "upstream_error"
        assert (await client.images.generate(model="painter", prompt="A cat")).data

    drawing(PROVIDER, "x/flux", test)
