"""The official client, unchanged, against the echo provider on a real socket."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.chat import ChatCompletionFunctionToolParam
from pydantic import BaseModel

from tproxy.echo.server import EchoServer

WEATHER: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}


def with_client(use: Callable[[AsyncOpenAI], Awaitable[None]]) -> None:
    async def test() -> None:
        server = EchoServer(clock=lambda: 1700000000.0)
        server.start()
        try:
            client = AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0)
            async with client:
                await use(client)
        finally:
            await server.stop()

    asyncio.run(asyncio.wait_for(test(), timeout=30))


def test_chat() -> None:
    async def use(client: AsyncOpenAI) -> None:
        reply = await client.chat.completions.create(
            model="echo-small", messages=[{"role": "user", "content": "Привет 👋"}]
        )

        assert reply.choices[0].message.content == "You said: Привет 👋"
        assert reply.choices[0].finish_reason == "stop"
        assert (reply.model, reply.created) == ("echo-small", 1700000000)
        assert reply.usage
        assert reply.usage.total_tokens == 6

    with_client(use)


def test_an_image_is_seen() -> None:
    async def use(client: AsyncOpenAI) -> None:
        reply = await client.chat.completions.create(
            model="echo-big",
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {
                            "type": "image_url",
                            "image_url": {"url": "https://example.com/a.png"},
                        },
                    ],
                }
            ],
        )

        assert reply.choices[0].message.content == "You said: What is it? [1 image]"

    with_client(use)


def test_a_stream_with_usage() -> None:
    async def use(client: AsyncOpenAI) -> None:
        stream = await client.chat.completions.create(
            model="echo-small",
            messages=[{"role": "user", "content": "hello there"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        *chunks, last = [chunk async for chunk in stream]

        words = [chunk.choices[0].delta.content for chunk in chunks]
        assert words == ["", "You", " said:", " hello", " there", None]
        assert last.choices == []
        assert last.usage
        assert last.usage.completion_tokens == 4

    with_client(use)


def test_a_tool_is_called_and_its_result_used() -> None:
    async def use(client: AsyncOpenAI) -> None:
        asked: Any = [{"role": "user", "content": "Oslo"}]
        first = await client.chat.completions.create(
            model="echo-small", messages=asked, tools=[WEATHER]
        )
        message = first.choices[0].message
        assert message.tool_calls
        call = message.tool_calls[0]
        assert call.type == "function"
        assert call.function.name == "get_weather"
        assert json.loads(call.function.arguments) == {"city": "Oslo", "days": 1}
        assert first.choices[0].finish_reason == "tool_calls"

        result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
        asked += [message, result]
        second = await client.chat.completions.create(
            model="echo-small", messages=asked, tools=[WEATHER]
        )
        assert second.choices[0].message.content == "get_weather said: sunny"

    with_client(use)


def test_a_tool_call_is_streamed() -> None:
    async def use(client: AsyncOpenAI) -> None:
        manager = client.chat.completions.stream(
            model="echo-small",
            messages=[{"role": "user", "content": "New York"}],
            tools=[WEATHER],
            tool_choice="required",
        )
        async with manager as stream:
            kinds = [event.type async for event in stream]
            reply = await stream.get_final_completion()

        assert "tool_calls.function.arguments.delta" in kinds
        assert reply.choices[0].finish_reason == "tool_calls"
        assert reply.choices[0].message.tool_calls
        function = reply.choices[0].message.tool_calls[0].function
        assert function.name == "get_weather"
        assert json.loads(function.arguments) == {"city": "New York", "days": 1}

    with_client(use)


class Step(BaseModel):
    explanation: str
    follow_ups: "list[Step]"


class Solution(BaseModel):
    steps: list[Step]
    answer: float
    note: str | None


def test_structured_output() -> None:
    async def use(client: AsyncOpenAI) -> None:
        reply = await client.chat.completions.parse(
            model="echo-small",
            messages=[{"role": "user", "content": "2 + 2"}],
            response_format=Solution,
        )

        step = Step(explanation="2 + 2", follow_ups=[])
        expected = Solution(steps=[step], answer=2, note="2 + 2")
        assert reply.choices[0].message.parsed == expected

    with_client(use)


def test_models() -> None:
    async def use(client: AsyncOpenAI) -> None:
        assert [model.id async for model in client.models.list()] == [
            "echo-small",
            "echo-big",
        ]

    with_client(use)


def test_errors_are_the_clients_own() -> None:
    async def use(client: AsyncOpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            await client.chat.completions.create(model="echo-small", messages=[])
        assert (refused.value.param, refused.value.code) == ("messages", "empty_array")
        assert refused.value.request_id == "req_echo1"

        with pytest.raises(NotFoundError):
            await client.moderations.create(model="echo-small", input="hi")

    with_client(use)


def test_an_image() -> None:
    async def use(client: AsyncOpenAI) -> None:
        reply = await client.images.generate(
            model="echo-image", prompt="A cat", size="64x64"
        )

        assert reply.created == 1700000000
        assert reply.output_format == "png"
        assert reply.data
        assert base64.b64decode(reply.data[0].b64_json or "")[1:4] == b"PNG"

        with pytest.raises(BadRequestError) as refused:
            await client.images.generate(model="echo-image", prompt="A cat", n=11)
        assert refused.value.param == "n"

    with_client(use)


def test_embeddings() -> None:
    async def use(client: AsyncOpenAI) -> None:
        one, same, other = [
            await client.embeddings.create(model="echo-embedding", input=text)
            for text in ("Hello", ["Hello"], "Goodbye")
        ]

        assert one.data[0].embedding == same.data[0].embedding
        assert one.data[0].embedding != other.data[0].embedding
        assert one.usage.prompt_tokens == 1

    with_client(use)
