"""How each simulated provider fails, and what OpenAI's client is told of it."""

from __future__ import annotations

from collections.abc import Callable

import openai
import pytest

from tests.e2e.stage import staged
from tests.e2e.talking import ASKING, PROVIDERS, USER, Talk, each, simulated, talking
from tests.serving import run
from tests.simulators import Ability, scene
from tests.simulators.simulator import (
    Fault,
    cut,
    garbage,
    instead,
    shortened,
    simulating,
)


@each()
def test_what_a_provider_cannot_do_is_refused_unasked(name: str) -> None:
    async def test(talk: Talk) -> None:
        for ability in {*ASKING} - talk.provider.abilities:
            kind, code = openai.BadRequestError, "invalid_request"
            await talk.failed(kind, code, **ASKING[ability])
        assert talk.simulator.requests == []

    talking(name, test)


def test_what_a_dialect_cannot_read_goes_to_one_that_relays_it() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}

    async def test() -> None:
        async with (
            simulating(PROVIDERS["gemini"].answer) as gemini,
            simulating(PROVIDERS["openai"].answer) as relayed,
            staged(
                simulated("gemini", gemini), simulated("openai", relayed, priority=2)
            ) as stage,
        ):
            reply = await stage.ask(tool_choice=choice)

            assert gemini.requests == []
            assert relayed.requests[0].json["tool_choice"] == choice
        assert reply.status == 200
        assert reply.headers["x-tproxy-model"] == "openai/simulated"

    run(test)


@each()
def test_a_key_that_is_refused_is_the_proxys_fault(name: str) -> None:
    async def test(talk: Talk) -> None:
        kind = openai.InternalServerError
        error = await talk.failed(kind, "upstream_auth_failed")

        assert error.status_code == 502

    talking(name, test, key="the-wrong-key-0123456789")


@each()
def test_a_limit_is_told_with_its_wait(name: str) -> None:
    async def test(talk: Talk) -> None:
        await talk.ask()
        talk.simulator.fail(instead(talk.provider.errors[429]))

        error = await talk.failed(openai.RateLimitError, "rate_limit_exceeded")

        wait = float(error.response.headers["retry-after"])
        assert wait == max(1.0, talk.provider.retry_after or 1.0)

    talking(name, test)


@each()
def test_a_failure_is_the_providers_and_passes(name: str) -> None:
    async def test(talk: Talk) -> None:
        await talk.ask()
        talk.simulator.fail(instead(talk.provider.errors[500]))

        error = await talk.failed(openai.InternalServerError, "upstream_error")

        assert error.status_code == 502
        assert (await talk.ask()).choices[0].message.content == scene.HELLO

    talking(name, test)


@each()
@pytest.mark.parametrize("fault", [garbage, cut(after=9)], ids=["garbage", "cut"])
def test_what_is_no_answer_is_an_error(name: str, fault: Fault) -> None:
    async def test(talk: Talk) -> None:
        await talk.ask()
        talk.simulator.fail(fault)

        await talk.failed(openai.InternalServerError, "upstream_error")

    talking(name, test)


@each(Ability.STREAM)
@pytest.mark.parametrize("breaking", [cut, shortened], ids=["cut", "shortened"])
def test_a_stream_that_breaks_off_is_an_error_wherever(
    name: str, breaking: Callable[[int], Fault]
) -> None:
    """And what came before is the beginning of what was to come."""

    async def test(talk: Talk) -> None:
        await talk.ask()
        for pieces in range(5):
            talk.simulator.fail(breaking(pieces))
            said: list[str] = []
            with pytest.raises(openai.APIError):
                await listen(talk, said)
            assert scene.HELLO.startswith("".join(said))

    talking(name, test)


async def listen(talk: Talk, said: list[str]) -> None:
    asking = talk.client.chat.completions.create(
        model=talk.model.name,
        messages=[{"role": "user", "content": USER["content"]}],
        stream=True,
    )
    async with await asking as stream:
        async for chunk in stream:
            said += [choice.delta.content or "" for choice in chunk.choices]
