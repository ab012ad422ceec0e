"""Requests and responses as any client has them: one after the other, in order."""

from __future__ import annotations

import asyncio

import pytest
from tornado.web import RequestHandler

from tests.server.serving import (
    Response,
    Scripted,
    Streaming,
    chunked,
    echo,
    get,
    on_both_loops,
    post,
    scripted,
    serving,
)


@on_both_loops
async def test_a_connection_is_used_again() -> None:
    async with serving(scripted()) as served, served.client() as client:
        for number in range(3):
            client.send(post(b"%d" % number, path=f"/{number}"))
            answer = await client.response()

            assert answer.body == b"%d" % number
            assert answer.headers["x-asked"] == f"POST /{number}"
            assert "connection" not in answer.headers


@on_both_loops
async def test_pipelined_requests_are_answered_in_order() -> None:
    order: list[str] = []

    async def slowly(handler: RequestHandler) -> None:
        order.append(handler.request.path)
        await asyncio.sleep(0.01 if handler.request.path == "/0" else 0)
        await echo(handler)

    async with serving(scripted(slowly)) as served, served.client() as client:
        client.send(b"".join(post(b"%d" % n, path=f"/{n}") for n in range(20)))
        answers = [await client.response() for _ in range(20)]

    assert [answer.body for answer in answers] == [b"%d" % n for n in range(20)]
    assert order == [f"/{n}" for n in range(20)]


@on_both_loops
async def test_a_chunked_request_ends_where_the_next_one_begins() -> None:
    async with serving(scripted()) as served, served.client() as client:
        client.send(chunked(b"a\r\n\r\nb", b"c") + chunked(b"d") + get("/end"))

        assert (await client.response()).body == b"a\r\n\r\nbc"
        assert (await client.response()).body == b"d"
        assert (await client.response()).headers["x-asked"] == "GET /end"


@on_both_loops
async def test_trailers_are_read_and_dropped() -> None:
    request = chunked(b"a").replace(b"0\r\n\r\n", b"0\r\nX-Checksum: 1\r\n\r\n")

    async with serving(scripted()) as served, served.client() as client:
        client.send(request + get())

        assert (await client.response()).body == b"a"
        assert (await client.response()).status == 200


@on_both_loops
async def test_close_is_honoured_and_said() -> None:
    async with serving(scripted()) as served, served.client() as client:
        client.send(get("/", "Connection: close"))
        answer = await client.response()

        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""


@on_both_loops
async def test_what_follows_a_close_reaches_nobody() -> None:
    seen: list[RequestHandler] = []

    async with serving(scripted(seen=seen)) as served, served.client() as client:
        client.send(get("/", "Connection: close") + get("/second"))
        answer = await client.response()

        assert answer.headers["connection"] == "close"
        assert await client.rest() == b""
    assert len(seen) == 1


@on_both_loops
async def test_a_handler_may_ask_for_the_close() -> None:
    async def close(handler: RequestHandler) -> None:
        handler.set_header("Connection", "close")

    async with serving(scripted(close)) as served, served.client() as client:
        client.send(get())

        assert (await client.response()).headers["connection"] == "close"
        assert await client.rest() == b""


@on_both_loops
async def test_http_1_0_closes_unless_asked_to_stay() -> None:
    async with serving(scripted()) as served, served.client() as client:
        client.send(get("/", "Connection: keep-alive", version="1.0"))
        first = await client.response()
        client.send(get("/", version="1.0"))
        second = await client.response()

        assert first.headers["connection"] == "keep-alive"
        assert second.headers["connection"] == "close"
        assert await client.rest() == b""


@on_both_loops
async def test_http_1_0_gets_a_stream_without_chunks() -> None:
    async def stream(handler: RequestHandler) -> None:
        for word in ("one ", "two"):
            handler.write(word)
            await handler.flush()

    async with serving(scripted(stream)) as served, served.client() as client:
        client.send(get("/", "Connection: keep-alive", version="1.0"))
        answer = await client.response()

    assert answer.body == b"one two"
    assert answer.headers["connection"] == "close"
    assert "transfer-encoding" not in answer.headers


@on_both_loops
async def test_head_has_no_body_and_the_length_of_one() -> None:
    async def ten(handler: RequestHandler) -> None:
        handler.finish(b"0123456789")

    async with serving(scripted(ten)) as served, served.client() as client:
        client.send(get().replace(b"GET", b"HEAD") + get())
        bodiless = await client.response(bodiless=True)
        answer = await client.response()

    assert bodiless.headers["content-length"] == "10"
    assert answer.body == b"0123456789"


@pytest.mark.parametrize("status", [204, 304])
@on_both_loops
async def test_statuses_without_a_body_have_none(status: int) -> None:
    async def nothing(handler: RequestHandler) -> None:
        handler.set_status(status)

    async with serving(scripted(nothing)) as served, served.client() as client:
        client.send(get() + get())
        answers = [await client.response(), await client.response()]

    for answer in answers:
        assert answer.status == status
        assert not {"content-length", "transfer-encoding"} & set(answer.headers)


@on_both_loops
async def test_a_flush_is_a_chunk_at_once() -> None:
    go_on = asyncio.Event()

    async def stream(handler: RequestHandler) -> None:
        for word in (b"one", b"two"):
            handler.write(word)
            await handler.flush()
            await go_on.wait()
            go_on.clear()

    async with serving(scripted(stream)) as served, served.client() as client:
        client.send(get())
        head = await client.head()
        chunks = []
        async for chunk in client.chunks():
            chunks.append(chunk)
            go_on.set()

    assert head.headers["transfer-encoding"] == "chunked"
    assert chunks == [b"one", b"two"]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/a?b", "/a"),
        ("http://a/b?c", "/b"),
        ("HTTP://A", "/"),
        ("http://a?b", "/"),
        ("//a/b", "//a/b"),
        ("/a%2Fb;c", "/a%2Fb;c"),
    ],
)
@on_both_loops
async def test_targets_become_paths(target: str, path: str) -> None:
    async with serving(scripted()) as served:
        answer = await served.ask(get(target))

    assert answer.headers["x-asked"] == f"GET {path}"


@on_both_loops
async def test_options_may_ask_for_the_server_itself() -> None:
    async with serving(scripted()) as served:
        answer = await served.ask(get("*").replace(b"GET", b"OPTIONS"))

    assert answer.headers["x-asked"] == "OPTIONS *"


@on_both_loops
async def test_an_offered_upgrade_is_passed_over() -> None:
    upgrade = ("Connection: upgrade, HTTP2-Settings", "Upgrade: h2c")
    in_chunks = chunked(b"b").replace(b"Host: a", b"Host: a\r\nUpgrade: h2c")

    async with serving(scripted()) as served, served.client() as client:
        client.send(post(b"a", *upgrade) + in_chunks + get("/end", *upgrade))

        assert (await client.response()).body == b"a"
        assert (await client.response()).body == b"b"
        assert (await client.response()).headers["x-asked"] == "GET /end"


@pytest.mark.parametrize("kind", [Scripted, Streaming])
@on_both_loops
async def test_a_request_is_the_same_wherever_the_network_cuts_it(
    kind: type[Scripted],
) -> None:
    requests = post(b"0123456789", "X-A: b \t") + chunked(b"ab", b"c") + get("/end")

    async def ask(*pieces: bytes) -> list[Response]:
        async with served.client() as client:
            for piece in pieces:
                client.send(piece)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            answers = [await client.response() for _ in range(3)]
            for answer in answers:
                answer.headers.pop("date")
            return answers

    async with serving(scripted(kind=kind)) as served:
        whole = await ask(requests)
        assert [a.body for a in whole] == [b"0123456789", b"abc", b""]
        for cut in range(1, len(requests)):
            assert await ask(requests[:cut], requests[cut:]) == whole
        assert await ask(*(requests[i : i + 1] for i in range(len(requests)))) == whole
