"""Each recording through a proxy on real sockets, byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest

from tests.e2e.stage import Stage, at, events, staged
from tests.faults.script import End, Script, chunked, unframed
from tests.faults.upstream import ScriptedUpstream, scripted
from tests.recorded import (
    ANSWERS,
    BREAKING,
    REFUSALS,
    STREAMS,
    WHOLE,
    Recording,
)
from tests.serving import Reply, run

NAME = "as/configured"
BYTE_BY_BYTE = [r for r in STREAMS if len(r.body) < 3_000]


def each(recordings: list[Recording]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("recording", recordings, ids=lambda r: r.id)


@asynccontextmanager
async def replaying(
    recording: Recording, *scripts: Script
) -> AsyncIterator[tuple[Stage, ScriptedUpstream]]:
    """A proxy before a provider that answers by `scripts`."""
    async with scripted(*scripts) as upstream:
        model = attrs.evolve(at(upstream.url, NAME), upstream_name=recording.model)
        async with staged(model) as stage:
            yield stage, upstream


async def asked(stage: Stage, recording: Recording) -> Reply:
    async with stage.calling(recording.request(NAME)) as call:
        return await call.rest()


@each(ANSWERS)
def test_nothing_is_changed_on_the_way(recording: Recording) -> None:
    async def test() -> None:
        async with replaying(recording, recording.reply) as (stage, upstream):
            reply = await asked(stage, recording)

        [request] = upstream.asked
        assert request.body == recording.request(recording.model)
        assert reply.status == 200
        assert reply.body == recording.body
        assert reply.headers["content-type"] == recording.headers["content-type"]
        assert reply.headers["x-tproxy-model"] == NAME

    run(test)


def test_a_request_without_a_model_gets_one_and_nothing_else() -> None:
    rest = b'"messages" : [ {"role":"user", "content":"\xc3\xa9\\u00e9"} ],\t"x":1.50}'

    async def test() -> None:
        async with (
            replaying(WHOLE[0], WHOLE[0].reply) as (stage, upstream),
            stage.calling(b" {" + rest) as call,
        ):
            assert (await call.rest()).status == 200

        [request] = upstream.asked
        named = json.dumps(WHOLE[0].model).encode()
        assert request.body == b' {"model":' + named + b"," + rest

    run(test)


@each(STREAMS)
def test_it_is_the_same_wherever_the_network_cuts(recording: Recording) -> None:
    scripts = [recording.sliced(recording.places(count)) for count in (1, 7, 40)]

    async def test() -> None:
        async with replaying(recording, *scripts) as (stage, upstream):
            for _ in scripts:
                assert (await asked(stage, recording)).body == recording.body
            assert len(upstream.asked) == len(scripts)

    run(test)


@each(BYTE_BY_BYTE)
def test_it_is_the_same_byte_by_byte(recording: Recording) -> None:
    script = recording.sliced([*range(1, len(recording.body))])

    async def test() -> None:
        async with replaying(recording, script) as (stage, _):
            assert (await asked(stage, recording)).body == recording.body

    run(test)


@each(WHOLE)
def test_an_answer_that_breaks_off_is_an_error(recording: Recording) -> None:
    [place] = recording.places(1)
    *steps, _ = recording.sliced([place])

    async def test() -> None:
        async with replaying(recording, [*steps, End.CLOSE]) as (stage, _):
            reply = await asked(stage, recording)

        assert (reply.status, reply.error["code"]) == (502, "upstream_error")

    run(test)


@each(STREAMS)
def test_a_stream_that_breaks_off_does_not_end_well(recording: Recording) -> None:
    """Whether the provider's framing shows it or not."""
    places = [len(recording.body) // 2, *recording.places(2)]
    cuts = [recording.body[:place] for place in places]
    cuts = [cut for cut in cuts if b"[DONE]" not in cut]
    broken = [chunked([cut, End.CLOSE], recording.headers) for cut in cuts]
    ended = [unframed([cut], recording.headers) for cut in cuts]
    whole = events(recording.body)

    async def test() -> None:
        async with replaying(recording, *broken, *ended) as (stage, _):
            for number, cut in enumerate([*cuts, *cuts]):
                reply = await asked(stage, recording)

                assert b"[DONE]" not in reply.body
                if reply.status != 200:
                    assert reply.error["code"] == "upstream_error"
                    continue
                *said, last = events(reply.body)
                assert said == whole[: len(said)]
                if number >= len(cuts) and _finished(cut):
                    continue  # all that was missing is what some never send
                assert json.loads(last)["error"]["code"] == "upstream_error"

    run(test)


def _finished(cut: bytes) -> bool:
    chunks = [json.loads(data) for data in events(cut)]
    choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
    return any(choice.get("finish_reason") for choice in choices)


@each(BREAKING)
def test_an_error_within_a_stream_is_its_last_event(recording: Recording) -> None:
    at_error = recording.body.rindex(b"\n\n", 0, recording.body.index(b'"error":'))
    before, after = recording.body[: at_error + 2], recording.body[at_error + 2 :]

    async def test() -> None:
        seen = asyncio.Event()
        script = chunked([before, seen, after], recording.headers)
        async with (
            replaying(recording, script) as (stage, _),
            stage.calling(recording.request(NAME)) as call,
        ):
            await call.until(before)
            seen.set()
            reply = await call.rest()
            await call.hung_up()

        assert reply.body.startswith(before)
        *said, last = events(reply.body)
        assert said == events(before)
        assert json.loads(last)["error"]["code"] == BROKEN[recording.id]

    run(test)


BROKEN = {
    "groq.test-tool-use-failed-error-streaming-with-text.40ce95.0": "upstream_error",
    "openrouter.test-openrouter-stream-error.409303.0": "context_length_exceeded",
}


TOLD = {
    "azure.chat-error-handling-with-azure-grok-4-1-fast": (502, "upstream_auth_failed"),
    "azure.test-chat-reasoning": (502, "upstream_model_missing"),
    "deepseek.chat-error-handling": (502, "upstream_auth_failed"),
    "groq.test-model-name-suggestion": (502, "upstream_model_missing"),
    "groq.test-tool-use-failed-error": (502, "upstream_error"),
    "mistral.chat-error-handling": (502, "upstream_auth_failed"),
    "ollama-cloud.chat-error-handling": (502, "upstream_auth_failed"),
    "openai.chat-no-messages": (400, "invalid_request"),
    "openai.chat-unknown-model": (502, "upstream_model_missing"),
    "openai.test-multimodal-tool-return": (400, "upstream_rejected"),
    "openrouter.chat-error-handling": (502, "upstream_auth_failed"),
    "perplexity.chat-error-handling": (502, "upstream_auth_failed"),
}


@each(REFUSALS)
def test_a_refusal_is_told_in_the_interfaces_terms(recording: Recording) -> None:
    [told] = [told for stem, told in TOLD.items() if recording.id.startswith(stem)]

    async def test() -> None:
        async with replaying(recording, recording.reply) as (stage, upstream):
            reply = await asked(stage, recording)

        assert (reply.status, reply.error["code"]) == told
        if told[1] == "invalid_request":
            assert reply.error["param"] == "messages"
            assert upstream.asked == []
        else:
            assert reply.error["type"] == "upstream_error"
            assert reply.error["param"] is None
            assert len(upstream.asked) == 1

    run(test)


def test_there_are_recordings_of_every_provider() -> None:
    providers = {r.id.partition(".")[0] for r in [*ANSWERS, *BREAKING, *REFUSALS]}

    assert len(providers) == 15
    assert len(BYTE_BY_BYTE) >= 3
    assert len(TOLD) == len(REFUSALS)
