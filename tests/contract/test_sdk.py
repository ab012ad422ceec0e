"""Each recording through a proxy to the official client, which has to understand it."""

from __future__ import annotations

import asyncio
import json

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from tests.e2e.stage import at, staged
from tests.faults.script import chunked
from tests.faults.upstream import scripted
from tests.recorded import BREAKING, REFUSALS, STREAMS, WHOLE, Recording
from tests.serving import TOKEN, run


def each(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", recordings, ids=lambda r: r.id)


NAME = "as/configured"
HELLO = "Hello"


@each(WHOLE)
def test_an_answer_is_understood(recording: Recording) -> None:
    async def test() -> None:
        async with (
            scripted(recording.reply) as upstream,
            staged(at(upstream.url, NAME)) as stage,
            AsyncOpenAI(base_url=stage.proxy.url, api_key=TOKEN) as client,
        ):
            answer = await client.chat.completions.create(
                model=NAME, messages=[{"role": "user", "content": HELLO}]
            )

        assert isinstance(answer, ChatCompletion)
        assert answer.choices[0].message.role in ("assistant", None)
        assert answer.to_dict(warnings=False) == json.loads(recording.body)

    run(test)


@each(STREAMS)
def test_a_stream_is_understood(recording: Recording) -> None:
    async def test() -> None:
        async with (
            scripted(recording.reply) as upstream,
            staged(at(upstream.url, NAME)) as stage,
            AsyncOpenAI(base_url=stage.proxy.url, api_key=TOKEN) as client,
        ):
            stream = await client.chat.completions.create(
                model=NAME, messages=[{"role": "user", "content": HELLO}], stream=True
            )
            chunks = [chunk async for chunk in stream]

        finishes = [c.finish_reason for chunk in chunks for c in chunk.choices]
        assert any(finishes)
        assert len(chunks) == recording.body.count(b"data: {")

    run(test)


@each(BREAKING)
def test_an_error_within_a_stream_is_raised(recording: Recording) -> None:
    at_error = recording.body.rindex(b"\n\n", 0, recording.body.index(b'"error":'))
    before, after = recording.body[: at_error + 2], recording.body[at_error + 2 :]

    async def test() -> None:
        seen = asyncio.Event()
        script = chunked([before, seen, after], recording.headers)
        async with (
            scripted(script) as upstream,
            staged(at(upstream.url, NAME)) as stage,
            AsyncOpenAI(base_url=stage.proxy.url, api_key=TOKEN) as client,
        ):
            stream = await client.chat.completions.create(
                model=NAME, messages=[{"role": "user", "content": HELLO}], stream=True
            )
            chunks = []

            async def read() -> None:
                async for chunk in stream:
                    chunks.append(chunk)
                    seen.set()

            with pytest.raises(openai.APIError) as raised:
                await read()

        assert len(chunks) == before.count(b"data: {")
        assert str(raised.value.message).startswith(f"{NAME}: the ")

    run(test)


@each([r for r in REFUSALS if "no-messages" not in r.id])
def test_a_refusal_is_raised(recording: Recording) -> None:
    rejected = recording.id.startswith("openai.test-multimodal")
    kind = openai.BadRequestError if rejected else openai.InternalServerError

    async def test() -> None:
        async with (
            scripted(recording.reply) as upstream,
            staged(at(upstream.url, NAME)) as stage,
            AsyncOpenAI(
                base_url=stage.proxy.url, api_key=TOKEN, max_retries=0
            ) as client,
        ):
            with pytest.raises(kind) as raised:
                await client.chat.completions.create(
                    model=NAME, messages=[{"role": "user", "content": HELLO}]
                )

        assert raised.value.type == "upstream_error"
        assert raised.value.param is None

    run(test)
