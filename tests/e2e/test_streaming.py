"""What holds for every stream: its pace, and that nothing is ever said twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.dialect import DONE, completion, event, stream
from tests.e2e.stage import at, said, staged
from tests.faults.script import JSON, Step, chunked, whole
from tests.faults.upstream import scripted
from tests.serving import run

WORDS = ["Once", " upon", " a", " time", " in", " Ghent"]


def test_each_chunk_leaves_when_it_arrives() -> None:
    """The provider says the next only when the client has the last."""
    heard = [asyncio.Event() for _ in WORDS]
    steps: list[Step] = [event()]
    for word, confirmed in zip(WORDS, heard, strict=True):
        steps += [event(word), confirmed]

    async def test() -> None:
        async with (
            scripted(chunked([*steps, event(finish="stop"), DONE])) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            stage.calling(said(stream=True)) as call,
        ):
            for word, confirmed in zip(WORDS, heard, strict=True):
                await call.until(event(word))
                confirmed.set()
            reply = await call.rest()

        assert reply.body == b"".join(stream(*WORDS))

    run(test)


def test_an_event_leaves_when_it_is_whole() -> None:
    """Not before, and not later."""
    first, second = event("Once"), event(" upon")
    heard = asyncio.Event()

    async def test() -> None:
        async with (
            scripted(
                chunked([first + second[:20], heard, second[20:], *stream()[1:]])
            ) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            stage.calling(said(stream=True)) as call,
        ):
            await call.until(first)
            assert call.body == first
            heard.set()
            reply = await call.rest()

        assert reply.body == first + second + b"".join(stream()[1:])

    run(test)


def test_a_stream_is_marked_for_buffers_on_the_way() -> None:
    async def test() -> None:
        async with (
            scripted(chunked(stream(*WORDS))) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask(stream=True)

        assert reply.headers["x-accel-buffering"] == "no"
        assert reply.headers["content-type"] == "text/event-stream"

    run(test)


@pytest.mark.parametrize("said", [None, "text/plain", "application/octet-stream"])
@pytest.mark.parametrize("streamed", [False, True])
def test_the_type_is_right_where_the_provider_names_none_or_another(
    streamed: bool, said: str | None
) -> None:
    head = {} if said is None else {"Content-Type": said}
    answer = completion("Hi")
    script = chunked(stream("Hi"), head) if streamed else whole(answer, 200, head)

    async def test() -> None:
        async with (
            scripted(script) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask(stream=streamed)

        expected = "text/event-stream" if streamed else "application/json"
        assert reply.headers["content-type"] == expected

    run(test)


def test_an_answer_retold_as_a_stream_has_the_type_of_one() -> None:
    async def test() -> None:
        async with (
            scripted(whole(completion("Hi"))) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask(stream=True)

        assert reply.body.endswith(b"data: [DONE]\n\n")
        assert reply.headers["content-type"] == "text/event-stream"

    run(test)


def test_a_client_that_does_not_read_holds_the_provider_back() -> None:
    """What is on the way is bounded; and when it reads again, all is there."""
    word = event("x" * 65_000)
    count = 640  # far more than sockets hold

    async def test() -> None:
        async with (
            scripted(
                chunked([event("Once"), *[word] * count, *stream()[1:]])
            ) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
            stage.calling(said(stream=True)) as call,
        ):
            asked = await upstream.first_asked()
            still, before = 0, -1
            while still < 200:  # turns of the loop in which nothing moves
                await asyncio.sleep(0)
                still = still + 1 if asked.sent() == before else 0
                before = asked.sent()
            assert before < count * len(word) / 2

            reply = await call.rest()

        assert reply.body.count(word) == count
        assert reply.body.endswith(DONE)

    run(test, 30.0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"X-Vendor: caf\xe9", "caf\xe9"),
        (b"X-Vendor: " + b"a" * 8_000, "a" * 8_000),
        (b"X-Vendor:", ""),
        (b"X-Vendor: one\r\nX-Vendor: two", "one, two"),
        (b"X-Vendor: a\x01b", None),
        (b"X-Vendor: a\x00b", None),
        (b"X-Vendor: a\rX-Evil: b", None),
        (b"X Vendor: a", None),
        (b"X-V\xe9ndor: a", None),
    ],
    ids=repr,
)
def test_a_header_that_is_none_is_not_passed_on(line: bytes, told: str | None) -> None:
    body = completion("Hello")
    size = b"Content-Length: %d" % len(body)
    script = [b"\r\n".join([b"HTTP/1.1 200 OK", line, size, b"", body])]

    async def test() -> None:
        async with (
            scripted(script) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask()

        assert "x-evil" not in reply.headers
        assert stage.recorder.notices == []
        if told is None:
            assert (reply.status, reply.error["code"]) == (502, "upstream_error")
        else:
            assert (reply.status, reply.body) == (200, body)
            assert reply.headers["x-vendor"] == told

    run(test)


def test_what_the_provider_says_of_itself_is_not_passed_on() -> None:
    theirs = {
        "Set-Cookie": "session=1",
        "Server": "theirs",
        "X-Tproxy-Model": "not/this",
        "X-Request-Id": "theirs",
        "X-Ratelimit-Remaining-Requests": "1",
        "OpenAI-Organization": "org-theirs",
        "Location": "https://theirs.example/",
        "X-Vendor": "kept",
    }

    async def test() -> None:
        async with (
            scripted(whole(completion("Hello"), 200, {**JSON, **theirs})) as upstream,
            staged(at(upstream.url, "p/a")) as stage,
        ):
            reply = await stage.ask()

        assert "theirs" not in str(reply.headers)
        assert not {"set-cookie", "location", "server"} & set(reply.headers)
        assert reply.headers["x-tproxy-model"] == "p/a"
        assert reply.headers["x-vendor"] == "kept"

    run(test)
