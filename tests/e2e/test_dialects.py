"""OpenAI's client through the proxy to each simulated provider, in its own dialect.

A simulator says what its provider can do; what it cannot is tested as well.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence

from openai.types.chat import ChatCompletion

from tests.e2e.talking import ASKING, PIXEL, PROVIDERS, TOOL, Talk, each, talking
from tests.simulators import ALL, Ability, scene
from tproxy.providers import dialects

TOTAL = scene.PROMPT_TOKENS + scene.COMPLETION_TOKENS
USAGE = (scene.PROMPT_TOKENS, scene.COMPLETION_TOKENS, TOTAL)


def words(answer: ChatCompletion) -> str:
    """What was said, which is all that was to be said."""
    assert answer.choices[0].finish_reason == "stop"
    return answer.choices[0].message.content or ""


def counted(answer: ChatCompletion) -> tuple[int, int, int]:
    usage = answer.usage
    assert usage is not None
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


@each()
def test_a_text_comes_whole(name: str) -> None:
    async def test(talk: Talk) -> None:
        assert words(await talk.ask()) == scene.HELLO

    talking(name, test)


@each(Ability.STREAM)
def test_a_text_comes_in_pieces(name: str) -> None:
    async def test(talk: Talk) -> None:
        answer = await talk.stream()

        assert words(answer) == scene.HELLO
        assert answer.usage is None or not talk.translated

    talking(name, test)


@each(Ability.USAGE)
def test_an_answer_says_what_it_took(name: str) -> None:
    async def test(talk: Talk) -> None:
        assert counted(await talk.ask()) == USAGE

    talking(name, test)


@each(Ability.STREAM_USAGE)
def test_a_stream_says_what_it_took(name: str) -> None:
    async def test(talk: Talk) -> None:
        assert counted(await talk.stream(usage=True)) == USAGE

    talking(name, test)


async def round_trip(
    ask: Callable[..., Awaitable[ChatCompletion]], said: str, cities: Sequence[str]
) -> None:
    """The model calls a tool for each city, and is told what the tool found."""
    question = {"role": "user", "content": said}

    [choice] = (await ask(messages=[question], tools=[TOOL])).choices

    calls = [c for c in choice.message.tool_calls or [] if c.type == "function"]
    assert choice.finish_reason == "tool_calls"
    assert [call.function.name for call in calls] == ["weather"] * len(cities)
    asked = [json.loads(call.function.arguments) for call in calls]
    assert asked == [{"city": city} for city in cities]
    turn = choice.message.model_dump(exclude_none=True, exclude={"parsed"})
    for spoken in turn["tool_calls"]:
        spoken["function"].pop("parsed_arguments", None)
    found = [
        {"role": "tool", "tool_call_id": call.id, "content": f"{city}: 21 °C"}
        for call, city in zip(calls, cities, strict=True)
    ]

    answer = words(await ask(messages=[question, turn, *found], tools=[TOOL]))

    places = [answer.find(f"{city}: 21 °C") for city in cities]
    assert min(places) >= 0
    assert places == sorted(places)


@each(Ability.TOOLS)
def test_a_tool_is_called_and_answers(name: str) -> None:
    async def test(talk: Talk) -> None:
        await round_trip(talk.ask, "Paris, please.", scene.CITIES[:1])

    talking(name, test)


@each(Ability.PARALLEL_TOOLS)
def test_tools_are_called_in_parallel(name: str) -> None:
    async def test(talk: Talk) -> None:
        await round_trip(talk.ask, "I want both.", scene.CITIES)

    talking(name, test)


@each(Ability.STREAM_TOOLS)
def test_tools_are_called_in_a_stream(name: str) -> None:
    several = Ability.PARALLEL_TOOLS in PROVIDERS[name].abilities
    said, cities = ("both", scene.CITIES) if several else ("one", scene.CITIES[:1])

    async def test(talk: Talk) -> None:
        await round_trip(talk.stream, f"I want {said}.", cities)

    talking(name, test)


@each(Ability.VISION)
def test_a_picture_is_seen(name: str) -> None:
    async def test(talk: Talk) -> None:
        answer = await talk.ask(**ASKING[Ability.VISION])

        assert words(answer) == f"I see image/png of {len(PIXEL)} bytes."

    talking(name, test)


@each(Ability.JSON_SCHEMA)
def test_an_answer_has_the_form_that_is_asked_for(name: str) -> None:
    async def test(talk: Talk) -> None:
        answer = await talk.ask(**ASKING[Ability.JSON_SCHEMA])

        assert json.loads(words(answer)) == scene.ANSWER

    talking(name, test)


def test_every_dialect_is_simulated() -> None:
    spoken = {
        provider.upstream("http://127.0.0.1").dialect for provider in PROVIDERS.values()
    }

    assert spoken == dialects()
    assert PROVIDERS["openai"].abilities == ALL
