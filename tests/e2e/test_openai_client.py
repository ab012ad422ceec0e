"""The official `openai` package against a proxy, as applications use it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import (
    ChatCompletionChunk,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from pydantic import BaseModel

from tests.dialect import completion, error, error_event, event, stream
from tests.e2e.stage import PATIENT, Stage, at, staged
from tests.faults.script import JSON, End, Script, chunked, whole
from tests.faults.upstream import scripted
from tests.serving import TOKEN, client, model, run
from tests.values import per
from tproxy.core.budget import Limit
from tproxy.core.model import Model, Patience
from tproxy.core.windows import DAY, MINUTE

T = TypeVar("T")

ECHO = model("echo/small", aliases=("little",))
HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello world"}]
ECHOED = "You said: Hello world"
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNg"
    "+M/wHwAEAQH/7pcG3wAAAABJRU5ErkJggg=="
)
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}


class Trip(BaseModel):
    """What a structured answer is asked to be."""

    city: str
    days: int
    by_train: bool


def caller(stage: Stage, token: str = TOKEN, **options: Any) -> AsyncOpenAI:
    return AsyncOpenAI(
        base_url=stage.proxy.url, api_key=token, **{"max_retries": 0, **options}
    )


async def synchronously(stage: Stage, use: Callable[[OpenAI], T]) -> T:
    """Use the synchronous client, in a thread of its own."""

    def using() -> T:
        with OpenAI(
            base_url=stage.proxy.url, api_key=TOKEN, max_retries=0
        ) as synchronous:
            return use(synchronous)

    return await asyncio.to_thread(using)


def said(chunks: list[ChatCompletionChunk]) -> str:
    choices = [choice for chunk in chunks for choice in chunk.choices]
    return "".join(choice.delta.content or "" for choice in choices)


def test_chat() -> None:
    async def test() -> None:
        async with staged(ECHO) as stage, caller(stage) as asynchronous:
            answer = await asynchronous.chat.completions.create(
                model="SMALL", messages=HELLO, temperature=0.5, seed=7
            )
            again = await synchronously(
                stage,
                lambda it: it.chat.completions.create(
                    model="echo/small", messages=HELLO
                ),
            )

        assert answer.choices[0].message.content == ECHOED
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage is not None
        assert answer.usage.total_tokens > 0
        assert again.choices == answer.choices

    run(test)


def test_streaming_with_usage() -> None:
    def use(it: OpenAI) -> list[ChatCompletionChunk]:
        with it.chat.completions.create(
            model="little",
            messages=HELLO,
            stream=True,
            stream_options={"include_usage": True},
        ) as stream:
            return list(stream)

    async def test() -> None:
        async with staged(ECHO) as stage, caller(stage) as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model="little",
                messages=HELLO,
                stream=True,
                stream_options={"include_usage": True},
            )
            chunks = [chunk async for chunk in stream]
            again = await synchronously(stage, use)

        for seen in (chunks, again):
            assert said(seen) == ECHOED
            assert len(seen) > 3
            assert seen[-1].choices == []
            assert seen[-1].usage is not None
            assert seen[-1].usage.completion_tokens == len(ECHOED.split())

    run(test)


def test_usage_that_nobody_asked_for_is_not_there() -> None:
    async def test() -> None:
        async with staged(ECHO) as stage, caller(stage) as asynchronous:
            stream = await asynchronous.chat.completions.create(
                model="SMALL", messages=HELLO, stream=True
            )
            chunks = [chunk async for chunk in stream]

        assert all(chunk.choices and chunk.usage is None for chunk in chunks)

    run(test)


def test_tools_there_and_back() -> None:
    """A call, its result, and the answer."""
    question: list[ChatCompletionMessageParam] = [
        {"role": "user", "content": "What is the weather in Ghent?"}
    ]

    async def test() -> None:
        async with staged(ECHO) as stage, caller(stage) as asynchronous:
            first = await asynchronous.chat.completions.create(
                model="SMALL",
                messages=question,
                tools=[WEATHER],
                tool_choice="required",
            )
            message = first.choices[0].message
            assert first.choices[0].finish_reason == "tool_calls"
            assert message.tool_calls is not None
            [call] = message.tool_calls
            assert call.type == "function"
            assert call.function.name == "weather"
            assert set(json.loads(call.function.arguments)) == {"city"}

            then = await asynchronous.chat.completions.create(
                model="SMALL",
                messages=[
                    *question,
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {
                                "id": call.id,
                                "type": "function",
                                "function": {
                                    "name": call.function.name,
                                    "arguments": call.function.arguments,
                                },
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": call.id, "content": "Rain"},
                ],
                tools=[WEATHER],
            )

        assert "Rain" in (then.choices[0].message.content or "")
        assert then.choices[0].finish_reason == "stop"

    run(test)


def test_tools_in_a_stream() -> None:
    async def test() -> None:
        async with (
            staged(ECHO) as stage,
            caller(stage) as asynchronous,
            asynchronous.chat.completions.stream(
                model="SMALL", messages=HELLO, tools=[WEATHER], tool_choice="required"
            ) as stream,
        ):
            kinds = {event.type async for event in stream}
            answer = await stream.get_final_completion()

        assert "tool_calls.function.arguments.delta" in kinds
        assert answer.choices[0].message.tool_calls is not None
        [call] = answer.choices[0].message.tool_calls
        assert call.function.name == "weather"
        assert set(json.loads(call.function.arguments)) == {"city"}
        assert answer.choices[0].finish_reason == "tool_calls"

    run(test)


def test_structured_output() -> None:
    async def test() -> None:
        async with staged(ECHO) as stage, caller(stage) as asynchronous:
            answer = await asynchronous.chat.completions.parse(
                model="SMALL", messages=HELLO, response_format=Trip
            )
            again = await synchronously(
                stage,
                lambda it: it.chat.completions.parse(
                    model="SMALL", messages=HELLO, response_format=Trip
                ),
            )

        assert isinstance(answer.choices[0].message.parsed, Trip)
        assert again.choices[0].message.parsed == answer.choices[0].message.parsed

    run(test)


def test_images_in_messages() -> None:
    messages: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is in the picture?"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
            ],
        }
    ]

    async def test() -> None:
        async with (
            scripted(whole(completion("A dot."))) as upstream,
            staged(at(upstream.url, "p/sees")) as stage,
            caller(stage) as asynchronous,
        ):
            answer = await asynchronous.chat.completions.create(
                model="p/sees", messages=messages
            )

        assert answer.choices[0].message.content == "A dot."
        assert json.loads(upstream.asked[0].body) == {
            "model": "sees",
            "messages": messages,
        }

    run(test)


def test_what_only_the_provider_knows_goes_both_ways() -> None:
    answer = json.loads(completion("Hi"))
    answer["vendor"] = {"cost": 0.25}
    body = json.dumps(answer).encode()

    async def test() -> None:
        async with (
            scripted(whole(body)) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage) as asynchronous,
        ):
            seen = await asynchronous.chat.completions.create(
                model="p/a", messages=HELLO, extra_body={"provider": {"order": ["x"]}}
            )

        assert seen.model_extra is not None
        assert seen.model_extra["vendor"] == {"cost": 0.25}
        assert json.loads(upstream.asked[0].body)["provider"] == {"order": ["x"]}

    run(test)


def test_headers_of_the_client_are_not_the_providers() -> None:
    async def test() -> None:
        async with (
            scripted(whole(completion("Hi"))) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage, organization="org-mine", project="mine") as asynchronous,
        ):
            await asynchronous.chat.completions.create(
                model="p/a", messages=HELLO, extra_headers={"Cookie": "a=b"}
            )

        headers = upstream.asked[0].headers
        assert TOKEN not in str(headers)
        assert set(headers) <= {
            *("host", "connection", "content-type", "content-length", "accept"),
            *("authorization", "user-agent", "accept-encoding"),
        }

    run(test)


def test_models() -> None:
    async def test() -> None:
        async with (
            staged(ECHO, model("vendor/a/b", category="BIG")) as stage,
            caller(stage) as asynchronous,
        ):
            listed = [entry.id async for entry in asynchronous.models.list()]
            found = await asynchronous.models.retrieve("vendor/a/b")
            again = await synchronously(stage, lambda it: it.models.retrieve("little"))
            with pytest.raises(openai.NotFoundError) as raised:
                await asynchronous.models.retrieve("vendor/a")

        assert set(listed) == {"echo/small", "little", "vendor/a/b", "SMALL", "BIG"}
        assert (found.id, found.object, found.owned_by) == (
            "vendor/a/b",
            "model",
            "vendor",
        )
        assert found.created > 0
        assert again.id == "little"
        assert raised.value.code == "model_not_found"

    run(test)


def test_headers_of_an_answer() -> None:
    limited = attrs.evolve(
        ECHO, budgets=model(limits=(per(MINUTE, 5), per(DAY, 100))).budgets
    )

    async def test() -> None:
        async with staged(limited) as stage, caller(stage) as asynchronous:
            raw = await asynchronous.chat.completions.with_raw_response.create(
                model="SMALL", messages=HELLO, extra_headers={"X-Request-Id": "mine-1"}
            )
            other = await asynchronous.chat.completions.with_raw_response.create(
                model="SMALL", messages=HELLO
            )

        assert raw.headers["x-request-id"] == "mine-1"
        assert other.headers["x-request-id"].startswith("req_")
        assert raw.headers["x-tproxy-model"] == "echo/small"
        assert raw.headers["x-tproxy-provider"] == "echo"
        assert raw.headers["x-tproxy-attempts"] == "1"
        assert raw.headers["x-tproxy-reason"] == "category SMALL; priority 1"
        assert raw.headers["x-ratelimit-limit-requests"] == "5"
        assert raw.headers["x-ratelimit-remaining-requests"] == "4"
        assert raw.headers["x-ratelimit-reset-requests"] in ("60s", "1m0s")
        assert other.headers["x-ratelimit-remaining-requests"] == "3"
        assert raw.parse().choices[0].message.content == ECHOED

    run(test)


@attrs.frozen
class Misfortune:
    """How a call goes wrong, and what the client raises."""

    name: str
    kind: type[openai.APIStatusError]
    status: int
    code: str
    script: Script = ()
    called: str = "p/a"
    token: str = TOKEN
    content: str = "Hello"
    limits: tuple[Limit, ...] = ()
    type: str = "upstream_error"
    param: str | None = None


CALLER = "invalid_request_error"
MISFORTUNES = [
    Misfortune(
        "wrong token",
        openai.AuthenticationError,
        401,
        "invalid_api_key",
        token="wrong",
        type=CALLER,
    ),
    Misfortune(
        "not for this client",
        openai.PermissionDeniedError,
        403,
        "model_not_allowed",
        called="q/b",
        type=CALLER,
        param="model",
    ),
    Misfortune(
        "unknown model",
        openai.NotFoundError,
        404,
        "model_not_found",
        called="p/b",
        type=CALLER,
        param="model",
    ),
    Misfortune(
        "too large",
        openai.APIStatusError,
        413,
        "request_too_large",
        content="x" * 5_000,
        type=CALLER,
    ),
    Misfortune(
        "refused",
        openai.BadRequestError,
        400,
        "upstream_rejected",
        whole(error("temperature must be at most 2"), 400),
    ),
    Misfortune(
        "limit of the provider",
        openai.RateLimitError,
        429,
        "rate_limit_exceeded",
        whole(error("slow down"), 429, {**JSON, "Retry-After": "7"}),
        type="rate_limit_error",
    ),
    Misfortune(
        "provider fails",
        openai.InternalServerError,
        502,
        "upstream_error",
        whole(error("oops"), 500),
    ),
    Misfortune(
        "provider is silent",
        openai.InternalServerError,
        504,
        "upstream_timeout",
        [End.HOLD],
    ),
    Misfortune(
        "key is refused",
        openai.InternalServerError,
        502,
        "upstream_auth_failed",
        whole(error("no"), 401),
    ),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("how", MISFORTUNES, ids=lambda how: how.name)
def test_each_error_is_raised_as_its_own_kind(how: Misfortune, stream: bool) -> None:
    hasty = Patience(connect=1.0, first_byte=0.05, silence=0.05, whole=0.05)
    mine = (client(models=("p/*",)),)

    async def test() -> None:
        async with (
            scripted(how.script) as upstream,
            staged(
                at(upstream.url, "p/a", patience=hasty),
                at(upstream.url, "q/b"),
                clients=mine,
                max_request_bytes=4_096,
            ) as stage,
            caller(stage, how.token) as asynchronous,
        ):
            with pytest.raises(openai.APIStatusError) as raised:
                await asynchronous.chat.completions.create(
                    model=how.called,
                    messages=[{"role": "user", "content": how.content}],
                    stream=stream,
                )

        problem = raised.value
        assert type(problem) is how.kind
        assert problem.status_code == how.status
        assert (problem.code, problem.type) == (how.code, how.type)
        assert problem.param == how.param
        assert problem.request_id == problem.response.headers["x-request-id"]
        if how.status == 429:
            assert problem.response.headers["retry-after"] == "7"

    run(test)


def test_bad_requests_name_the_field() -> None:
    async def test() -> None:
        async with staged(ECHO) as stage, caller(stage) as asynchronous:
            with pytest.raises(openai.BadRequestError) as raised:
                await asynchronous.chat.completions.create(model="SMALL", messages=[])

        assert (raised.value.code, raised.value.param) == (
            "invalid_request",
            "messages",
        )

    run(test)


def test_a_spent_quota_says_when_to_come_back() -> None:
    spent = attrs.evolve(ECHO, budgets=model(limits=(per(MINUTE, 1),)).budgets)

    async def test() -> None:
        async with staged(spent) as stage, caller(stage) as asynchronous:
            await asynchronous.chat.completions.create(model="SMALL", messages=HELLO)
            with pytest.raises(openai.RateLimitError) as raised:
                await asynchronous.chat.completions.create(
                    model="SMALL", messages=HELLO
                )

        headers = raised.value.response.headers
        assert raised.value.code == "quota_exhausted"
        assert headers["retry-after"] in ("59", "60")
        assert 59_000 <= int(headers["retry-after-ms"]) <= 60_000
        assert "x-should-retry" not in headers

    run(test)


def _limited(retry_after: str) -> Script:
    return whole(error("slow down"), 429, {**JSON, "retry-after-ms": retry_after})


def test_the_client_comes_back_by_itself_when_told() -> None:
    async def test() -> None:
        async with (
            scripted(_limited("30"), whole(completion("Hello"))) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage, max_retries=1) as asynchronous,
        ):
            answer = await asynchronous.chat.completions.create(
                model="p/a", messages=HELLO
            )

        assert answer.choices[0].message.content == "Hello"
        assert len(upstream.asked) == 2

    run(test)


def test_it_does_not_come_back_where_that_would_be_in_vain() -> None:
    async def test() -> None:
        async with (
            scripted(_limited("61000"), whole(completion("Hello"))) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage, max_retries=2) as asynchronous,
        ):
            with pytest.raises(openai.RateLimitError) as raised:
                await asynchronous.chat.completions.create(model="p/a", messages=HELLO)

        assert raised.value.response.headers["x-should-retry"] == "false"
        assert len(stage.recorder.requests) == 1

    run(test)


def test_a_client_without_patience_is_gone_at_once() -> None:
    async def test() -> None:
        async with (
            scripted([End.HOLD]) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage, timeout=0.1) as asynchronous,
        ):
            with pytest.raises(openai.APITimeoutError):
                await asynchronous.chat.completions.create(model="p/a", messages=HELLO)
            asked = await upstream.first_asked()
            await asked.left.wait()
            assert (await stage.recorder.request()).left

    run(test)


@pytest.mark.parametrize(
    ("rest", "code"),
    [
        ([End.HOLD], "upstream_timeout"),
        ([End.CLOSE], "upstream_error"),
        ([error_event("oops")], "upstream_error"),
        ([error_event("slow down", 429)], "rate_limit_exceeded"),
    ],
    ids=["silent", "closed", "error", "limit"],
)
def test_an_error_within_a_stream_is_raised(rest: list[Any], code: str) -> None:
    hasty = attrs.evolve(PATIENT, silence=0.05)

    async def test() -> None:
        heard = asyncio.Event()
        script = chunked([event(), event("Once"), heard, *rest])
        async with (
            scripted(script) as upstream,
            staged(at(upstream.url, "p/a", patience=hasty)) as stage,
            caller(stage) as asynchronous,
        ):
            stream = await asynchronous.chat.completions.create(
                model="p/a", messages=HELLO, stream=True
            )
            chunks: list[ChatCompletionChunk] = []

            async def read() -> None:
                async for chunk in stream:
                    chunks.append(chunk)
                    if said(chunks):
                        heard.set()

            with pytest.raises(openai.APIError) as raised:
                await read()

        assert said(chunks) == "Once"
        assert raised.value.code == code
        assert raised.value.type in ("upstream_error", "rate_limit_error")

    run(test)


def test_a_client_that_stops_at_the_end_mark_has_had_its_answer() -> None:
    """It does not wait for the connection's own end; neither does the log."""

    async def test() -> None:
        async with (
            scripted(chunked([*stream("Hello"), End.HOLD])) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage) as asynchronous,
        ):
            answer = await asynchronous.chat.completions.create(
                model="p/a", messages=HELLO, stream=True
            )
            assert said([chunk async for chunk in answer]) == "Hello"
            told = await stage.recorder.request()

        assert [attempt.outcome for attempt in told.attempts] == ["answered"]

    run(test)


def test_a_stream_that_is_left_is_left_upstream() -> None:
    async def test() -> None:
        async with (
            scripted(chunked([event(), event("Once"), End.HOLD])) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            caller(stage) as asynchronous,
        ):
            stream = await asynchronous.chat.completions.create(
                model="p/a", messages=HELLO, stream=True
            )
            await anext(aiter(stream))
            await stream.close()
            asked = await upstream.first_asked()
            await asked.left.wait()

    run(test)


def test_many_at_once() -> None:
    models: list[Model] = [model(f"echo/{number}", category="X") for number in range(3)]

    async def test() -> None:
        async with staged(*models) as stage, caller(stage) as asynchronous:

            async def one(number: int) -> str:
                stream = await asynchronous.chat.completions.create(
                    model="X",
                    messages=[{"role": "user", "content": f"This is number {number}"}],
                    stream=True,
                )
                return said([chunk async for chunk in stream])

            heard = await asyncio.gather(*map(one, range(60)))

        assert heard == [f"You said: This is number {n}" for n in range(60)]
        used = [request.model for request in stage.recorder.requests]
        assert {used.count(m.name) for m in models} == {20}

    run(test)
