"""What the server refuses by itself has a line in the log, like any other request."""

from __future__ import annotations

import asyncio

import pytest

from tests.serving import TOKEN, chat, read_reply, request, run, send, serving
from tests.skipping import run_skipping
from tproxy.web.refused import MOST_A_SECOND

WORD = "a-word-of-the-clients"
CHUNKED = ("Transfer-Encoding: chunked",)
ENDLESS = ("Content-Length: 9999999999", f"Authorization: Bearer {TOKEN}")


def unsized(raw: bytes) -> bytes:
    return raw.replace(b"Content-Length: 0\r\n", b"")


@pytest.mark.parametrize(
    ("raw", "status", "code", "asked"),
    [
        (f"{WORD}\r\n\r\n".encode(), 400, "invalid_request", ("", "")),
        (f"GET /{WORD * 2_000}".encode(), 431, "headers_too_large", ("", "")),
        (
            unsized(request("POST", f"/image?{WORD}", headers=CHUNKED)) + WORD.encode(),
            400,
            "invalid_request",
            ("POST", "/image"),
        ),
        (
            unsized(request("POST", "/v1/embeddings", headers=ENDLESS)),
            413,
            "request_too_large",
            ("POST", "/v1/embeddings"),
        ),
    ],
)
def test_a_refusal_is_told_with_what_is_known_of_the_request(
    raw: bytes, status: int, code: str, asked: tuple[str, str]
) -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            reply = await send(proxy.port, raw)

            [line] = recorder.requests
            assert (reply.status, reply.error["code"]) == (status, code)
            assert (line.status, line.code) == (status, code)
            assert (line.method, line.route) == asked
            assert line.request_id == reply.headers["x-request-id"]
            assert (line.client, line.model, line.attempts) == (None, None, ())
            assert line.seconds == 0  # the rest was not waited for
            assert WORD not in repr(line)

    run(test)


def test_a_slow_request_is_told_with_how_long_it_was_waited_for() -> None:
    whole = chat()
    head = whole.index(b"\r\n\r\n") + 4

    async def test() -> None:
        async with serving() as (proxy, recorder):
            for sent in (whole[:1], whole[: head - 1], whole[:head], whole[:-1]):
                assert (await send(proxy.port, sent)).status == 408

            assert [line.code for line in recorder.requests] == ["request_timeout"] * 4
            asked = [(line.method, line.route) for line in recorder.requests]
            chatted = ("POST", "/v1/chat/completions")
            assert asked == [("", ""), ("", ""), chatted, chatted]
            waited = [line.seconds for line in recorder.requests]
            assert waited == pytest.approx([10, 10, 30, 30], rel=0.2)

    run_skipping(test())


def test_what_was_waited_for_before_does_not_count() -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            asked = request("GET", "/ping", headers=())
            writer.write(asked[:-1])
            await asyncio.sleep(5)
            writer.write(asked[-1:])
            await asyncio.sleep(5)
            writer.write(b"garbage\r\n\r\n")
            assert (await reader.read()).count(b"HTTP/1.1 ") == 2
            writer.close()

            assert [line.status for line in recorder.requests] == [200, 400]
            assert recorder.requests[-1].seconds == 0

    run_skipping(test())


def test_a_flood_has_so_many_lines_a_second_and_is_counted() -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            for _ in range(MOST_A_SECOND + 5):
                assert (await send(proxy.port, b"garbage\r\n\r\n")).status == 400
            assert len(recorder.requests) == MOST_A_SECOND
            await asyncio.sleep(1.5)
            [notice] = recorder.notices
            assert notice.level == "warning"
            assert notice.fields == {"untold": 5}

            await send(proxy.port, b"garbage\r\n\r\n")
            await asyncio.sleep(1.5)
            assert len(recorder.requests) == MOST_A_SECOND + 1
            assert len(recorder.notices) == 1

    run_skipping(test())


WHOLE = chat()
HEAD = WHOLE.index(b"\r\n\r\n") + 4


@pytest.mark.parametrize("abrupt", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        (WHOLE[:1], ("", "")),
        (WHOLE[: HEAD - 1], ("", "")),
        (WHOLE[:HEAD], ("POST", "/v1/chat/completions")),
        (WHOLE[:-1], ("POST", "/v1/chat/completions")),
    ],
)
def test_a_client_that_leaves_within_its_request_is_told_of(
    sent: bytes, asked: tuple[str, str], abrupt: bool
) -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(sent)
            await asyncio.sleep(2)
            if abrupt:
                writer.transport.abort()
            else:
                writer.close()
            await asyncio.sleep(1)

            [line] = recorder.requests
            assert (line.status, line.code, line.left) == (499, None, True)
            assert (line.method, line.route) == asked
            assert line.seconds == pytest.approx(2, rel=0.2)

    run_skipping(test())


@pytest.mark.parametrize("sent", [b"", b"\r\n", request("GET", "/ping", headers=())])
def test_nothing_is_told_of_who_leaves_between_requests(sent: bytes) -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(sent)
            if len(sent) > 2:
                await read_reply(reader)
            await asyncio.sleep(1)
            writer.close()
            await asyncio.sleep(1)

            assert not [line for line in recorder.requests if line.left]

    run_skipping(test())


def test_what_the_proxy_itself_cuts_short_is_not_told_of_as_left() -> None:
    async def test() -> None:
        async with serving() as (proxy, recorder):
            _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(WHOLE[:-1])
            await asyncio.sleep(1)
            await proxy.stop()
            await asyncio.sleep(1)
            writer.close()

            assert recorder.requests == []

    run_skipping(test())
