"""OpenAI's client through the proxy to a simulated Gemini: what only Gemini has."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
from openai import AsyncOpenAI

from tests.e2e.stage import PATIENT, staged
from tests.e2e.talking import TOOL, USER
from tests.serving import TOKEN, run
from tests.simulators import gemini, scene
from tests.simulators.simulator import Simulator, simulating
from tproxy.core.budget import Budget
from tproxy.core.model import Kind, Model

MODELS = {
    "gemini-3-flash-preview": Kind.CHAT,
    "gemini-2.5-flash-image": Kind.IMAGE,
    "imagen-4.0-generate-001": Kind.IMAGE,
    "gemini-embedding-001": Kind.EMBEDDING,
}


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[AsyncOpenAI, Simulator]]:
    async with simulating(gemini.answer) as simulator:
        upstream = attrs.evolve(gemini.upstream(simulator.url), patience=PATIENT)
        models = [
            Model(name, "gemini", name, upstream, kind=kind, budgets=(Budget(name),))
            for name, kind in MODELS.items()
        ]
        async with (
            staged(*models) as stage,
            AsyncOpenAI(
                base_url=stage.proxy.url, api_key=TOKEN, max_retries=0
            ) as client,
        ):
            yield client, simulator


def test_the_key_is_in_a_header_alone() -> None:
    async def test() -> None:
        async with talking() as (client, simulator):
            said: Any = {"model": "gemini-3-flash-preview", "messages": [USER]}
            await client.chat.completions.create(**said)

            [asked] = simulator.requests
            assert asked.headers["x-goog-api-key"] == scene.KEY
            assert "authorization" not in asked.headers
            assert asked.query == {}
            assert scene.KEY.encode() not in asked.body

    run(test)


def test_a_talk_begun_with_another_model_goes_on() -> None:
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    messages: Any = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "21 °C"},
    ]

    async def test() -> None:
        async with talking() as (client, _):
            tools: Any = [TOOL]
            answer = await client.chat.completions.create(
                model="gemini-3-flash-preview", messages=messages, tools=tools
            )

            assert answer.choices[0].message.content == "weather: 21 °C"

    run(test)


def test_thoughts_are_streamed_beside_the_text() -> None:
    async def test() -> None:
        async with talking() as (client, _):
            said: Any = {"model": "gemini-3-flash-preview", "messages": [USER]}
            stream = await client.chat.completions.create(**said, stream=True)
            deltas = [chunk.choices[0].delta async for chunk in stream]

            thoughts = [getattr(one, "reasoning_content", "") for one in deltas]
            assert "".join(thoughts) == "**Considering**\n"
            assert "".join(one.content or "" for one in deltas) == scene.HELLO

    run(test)


def test_images_are_made_by_both_families() -> None:
    async def test() -> None:
        async with talking() as (client, simulator):
            for model, count in (
                ("gemini-2.5-flash-image", 1),
                ("imagen-4.0-generate-001", 2),
            ):
                made = await client.images.generate(
                    model=model, prompt="A cat", n=count, response_format="b64_json"
                )
                found = [one.b64_json for one in made.data or ()]
                assert found == [gemini.PNG] * count
            assert base64.b64decode(gemini.PNG).startswith(b"\x89PNG")
            verbs = [one.path.rpartition(":")[2] for one in simulator.requests]
            assert verbs == ["generateContent", "predict"]

    run(test)


def test_texts_are_embedded_in_batches() -> None:
    async def test() -> None:
        async with talking() as (client, simulator):
            found = await client.embeddings.create(
                model="gemini-embedding-001", input=["a"] * 150
            )

            assert [one.embedding for one in found.data] == [[0.5, -0.25]] * 150
            sizes = [len(json.loads(a.body)["requests"]) for a in simulator.requests]
            assert sizes == [100, 50]

    run(test)
