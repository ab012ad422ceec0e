"""A stream that breaks at any of its events, read by OpenAI's own client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import openai
import pytest
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from tests.dialect import DONE, event, stream
from tests.e2e.stage import Stage, at, said, staged
from tests.faults.script import End, Script, chunked
from tests.faults.upstream import Asked, ScriptedUpstream, listening
from tests.serving import TOKEN, run
from tproxy.core.model import ALL_CAPABILITIES, Capability, Model, Prefill

WORDS = ["Once", " upon", " a", " time", "\n\n", "in", " Ghent"]
STORY = "".join(WORDS)


@attrs.define(eq=False)
class Teller(ScriptedUpstream):
    """Tells the story, or the rest of it, and breaks off after some events."""

    breaks_after: int | None = None
    end: End = End.RESET

    def script_for(self, asked: Asked) -> Script:
        last = json.loads(asked.body)["messages"][-1]
        if last["role"] != "assistant":
            whole = stream(*WORDS)
        elif "anthropic-version" in asked.headers:
            return chunked(anthropic(STORY.removeprefix(last["content"][0]["text"])))
        else:
            whole = stream(*STORY.removeprefix(last["content"]))
        if self.breaks_after is None:
            return chunked(whole)
        return chunked([*whole[: self.breaks_after], self.end])


def anthropic(text: str) -> list[bytes]:
    """A stream of Anthropic's."""
    delta = {"type": "text_delta", "text": text}
    block = {"type": "text", "text": ""}
    saids: list[dict[str, object]] = [
        {"type": "message_start", "message": {"id": "msg", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ]
    return [b"data: %b\n\n" % json.dumps(said).encode() for said in saids]


def able(model: Model, way: Prefill = Prefill.MESSAGE) -> Model:
    """A model that goes on with others' answers."""
    capabilities = ALL_CAPABILITIES | {Capability.PREFILL}
    return attrs.evolve(model, prefill=way, capabilities=capabilities)


@asynccontextmanager
async def two(first: Teller, second: Teller) -> AsyncIterator[Stage]:
    """Behind a proxy, one whose answers may be gone on with, and one that does."""
    async with listening(first), listening(second):
        a = attrs.evolve(at(first.url, "p/a"), resume=True)
        async with staged(a, able(at(second.url, "p/b", priority=2))) as stage:
            yield stage


async def read(stage: Stage) -> list[ChatCompletionChunk]:
    async with AsyncOpenAI(
        base_url=stage.proxy.url, api_key=TOKEN, max_retries=0
    ) as caller:
        chunks = await caller.chat.completions.create(
            model="SMALL", messages=[{"role": "user", "content": "Hello"}], stream=True
        )
        return [chunk async for chunk in chunks]


def text(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


@pytest.mark.parametrize("end", [End.RESET, End.CLOSE])
def test_one_stream_is_read_wherever_it_breaks(end: End) -> None:
    async def test(events: int) -> None:
        async with two(Teller((), breaks_after=events, end=end), Teller(())) as stage:
            chunks = await read(stage)
            assert (await stage.recorder.request()).resumed == (events > 1)

        assert text(chunks) == STORY
        assert {chunk.id for chunk in chunks} == {"c"}
        roles = [one.choices[0].delta.role for one in chunks[:-1]]
        assert roles == ["assistant"] + [None] * (len(chunks) - 2)
        assert [one.choices[0].finish_reason for one in chunks].count("stop") == 1
        # With nothing of it sent it begins anew, which nobody need be told.
        at = sum(map(len, WORDS[: events - 1]))
        mark = {"resumed": [{"model": "p/b", "at": at}]} if events > 1 else None
        assert (chunks[-1].model_extra or {}).get("x_tproxy") == mark

    for events in range(len(WORDS) + 2):
        run(lambda events=events: test(events))  # type: ignore[misc]


def test_it_may_go_on_in_another_dialect() -> None:
    async def test() -> None:
        second = Teller(())
        async with listening(first := Teller((), breaks_after=6)), listening(second):
            b = able(at(second.url.removesuffix("/chat/completions"), "p/b", 2))
            b = attrs.evolve(b, upstream=attrs.evolve(b.upstream, dialect="anthropic"))
            a = attrs.evolve(at(first.url, "p/a"), resume=True)
            async with staged(a, b) as stage:
                chunks = await read(stage)

        assert text(chunks) == STORY
        assert {chunk.id for chunk in chunks} == {"c"}

    run(test)


def test_where_nobody_can_it_ends_as_ever() -> None:
    async def test() -> None:
        first, second = Teller((), breaks_after=4), Teller((), breaks_after=0)
        async with two(first, second) as stage:
            with pytest.raises(openai.APIError, match="broke off"):
                await read(stage)
            raw = await stage.ask(stream=True)

        assert raw.body.startswith(b"".join(stream(*WORDS)[:4]))
        assert DONE not in raw.body

    run(test)


def test_a_client_that_leaves_hangs_up_on_who_goes_on() -> None:
    async def test() -> None:
        first = Teller((), breaks_after=3)
        second = Teller((), breaks_after=2, end=End.HOLD)
        async with two(first, second) as stage:
            async with stage.calling(said(stream=True)) as call:
                await call.until(event("Once"))
                await second.asked_by(1)
            await second.asked[0].left.wait()
            finished = await stage.recorder.request()

        assert finished.left
        assert [one.outcome for one in finished.attempts] == ["early_end", "left"]

    run(lambda: asyncio.wait_for(test(), 10))
