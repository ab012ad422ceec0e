"""OpenAI's client, a proxy, and a simulated provider behind it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from tests.e2e.stage import PATIENT, staged
from tests.serving import TOKEN, run
from tests.simulators import Ability, Provider, providers, scene
from tests.simulators.simulator import Simulator, simulating
from tproxy.contract.openai import check_completion, check_error, check_stream
from tproxy.core.budget import Budget
from tproxy.core.model import Model
from tproxy.core.secret import Secret
from tproxy.providers import dialect
from tproxy.providers.openai import OpenAI

PROVIDERS = providers()
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
USER = {"role": "user", "content": "Hello"}
PICTURE = f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Of a city.",
        "parameters": CITY,
        "strict": True,
    },
}
# How each ability is asked for, and what is refused where it is lacking.
ASKING: dict[Ability, dict[str, Any]] = {
    Ability.TOOLS: {"tools": [TOOL]},
    Ability.JSON_SCHEMA: {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "place", "schema": CITY, "strict": True},
        }
    },
    Ability.VISION: {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ],
            }
        ]
    },
}


def each(ability: Ability | None = None) -> pytest.MarkDecorator:
    """Every provider, or every one that has the ability."""
    able = [
        name
        for name, provider in PROVIDERS.items()
        if ability is None or ability in provider.abilities
    ]
    return pytest.mark.parametrize("name", able)


@attrs.frozen
class Talk:
    """One client of one proxy that has one model, at `simulator`."""

    client: AsyncOpenAI
    provider: Provider
    simulator: Simulator
    model: Model

    @property
    def translated(self) -> bool:
        """Whether answers are made by the proxy, and not relayed as they are."""
        return not isinstance(dialect(self.model.upstream.dialect).chat, OpenAI)

    async def ask(self, **fields: Any) -> ChatCompletion:
        said = {"model": self.model.name, "messages": [USER], **fields}
        raw = await self.client.chat.completions.with_raw_response.create(**said)
        if self.translated:
            assert check_completion(raw.content)["model"] == self.model.name
        parsed: ChatCompletion = raw.parse()
        return parsed

    async def stream(self, *, usage: bool = False, **fields: Any) -> ChatCompletion:
        """Ask for a stream, as bytes; and once more, put together by the client."""
        options = {"stream_options": {"include_usage": usage}}
        said: dict[str, Any] = {"model": self.model.name, "messages": [USER]}
        said |= {**fields, **options}
        completions = self.client.chat.completions
        raw = completions.with_streaming_response.create(stream=True, **said)
        async with raw as response:
            body = b"".join([data async for data in response.iter_bytes()])
        assert response.headers["content-type"].startswith("text/event-stream")
        assert body.count(b"data: [DONE]") == 1
        if self.translated:
            check_stream(body, usage=usage)
        async with completions.stream(**said) as stream:
            return await stream.get_final_completion()

    async def failed(
        self, kind: type[openai.APIStatusError], code: str, **fields: Any
    ) -> openai.APIStatusError:
        """Ask, and get an error, which holds nothing that is ours."""
        with pytest.raises(kind) as caught:
            await self.ask(**fields)
        text = caught.value.response.text
        assert check_error(caught.value.response.content)["code"] == code
        assert self.model.upstream.token.reveal() not in text
        assert self.simulator.url not in text
        return caught.value


def talking(
    name: str, test: Callable[[Talk], Awaitable[None]], key: str = scene.KEY
) -> None:
    """Run `test` with the provider of this name."""

    async def whole() -> None:
        async with _talk(PROVIDERS[name], name, key) as talk:
            await test(talk)
        for _ in range(20):  # generators that the client has dropped
            await asyncio.sleep(0)

    run(whole)


def simulated(
    name: str, simulator: Simulator, key: str = scene.KEY, priority: int = 1
) -> Model:
    """A model of the provider of this name, asked at `simulator`."""
    provider, called = PROVIDERS[name], f"{name}/simulated"
    upstream = provider.upstream(simulator.url)
    return Model(
        name=called,
        provider=name,
        upstream_name=provider.upstream_name,
        upstream=attrs.evolve(upstream, token=Secret(key), patience=PATIENT),
        category="SMALL",
        priority=priority,
        budgets=(Budget(f"model:{called}", ()),),
    )


@asynccontextmanager
async def _talk(provider: Provider, name: str, key: str) -> AsyncIterator[Talk]:
    async with simulating(provider.answer) as simulator:
        model = simulated(name, simulator, key)
        async with (
            staged(model) as stage,
            AsyncOpenAI(
                base_url=stage.proxy.url, api_key=TOKEN, max_retries=0
            ) as client,
        ):
            yield Talk(client, provider, simulator, model)
