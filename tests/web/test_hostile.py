"""Requests nobody should send: a clear error each, no quota spent, nothing left."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.serving import (
    TOKEN,
    Recorder,
    chat,
    model,
    read_reply,
    request,
    run,
    send,
    serving,
)
from tests.serving import settings as make_settings
from tests.values import per
from tproxy.app import Proxy
from tproxy.core.windows import DAY

ONE = model(limits=(per(DAY, 1),))  # so that whatever counts shows


async def unspent(proxy: Proxy, recorder: Recorder) -> None:
    """The one request of the quota is still there, and nothing was logged amiss."""
    assert not any(event.attempts for event in recorder.requests)
    assert not recorder.notices
    reply = await send(proxy.port, chat())
    assert reply.status == 200, reply.body


def messages(content: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"hello", None),
        (b"[]", None),
        (b'"text"', None),
        (b"null", None),
        (b"{", None),
        (b'{"messages": [}', None),
        (b"\xff\xfe{}", None),
        (b'{"messages": "\xff"}', None),
        (b"\x00" * 100, None),
        (b'{"a": NaN}', None),
        (b'{"a": -Infinity}', None),
        (b'{"a": ' + b"1" * 60_000 + b"}", None),
        (b'{"a": ' + b"1" * 60_000 + b".5}", None),
        (b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", None),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, None),
        (b'{"model": "SMALL", "model": "BIG", "messages": []}', None),
        (b'{"messages": [{"role": "user", "role": "system", "content": ""}]}', None),
        (b"{}", "messages"),
        (b'{"messages": null}', "messages"),
        (b'{"messages": "hi"}', "messages"),
        (b'{"messages": []}', "messages"),
        (b'{"messages": ["hi"]}', "messages[0]"),
        (b'{"messages": [{}]}', "messages[0].role"),
        (b'{"messages": [{"role": 1}]}', "messages[0].role"),
        (json.dumps(messages(7)).encode(), "messages[0].content"),
        (json.dumps(messages(["hi"])).encode(), "messages[0].content[0]"),
        (json.dumps({**messages("x"), "model": 7}).encode(), "model"),
        (json.dumps({**messages("x"), "model": None}).encode(), "model"),
        (json.dumps({**messages("x"), "stream": "yes"}).encode(), "stream"),
        (json.dumps({**messages("x"), "tools": {}}).encode(), "tools"),
        (json.dumps({**messages("x"), "max_tokens": "9"}).encode(), "max_tokens"),
        (
            json.dumps({**messages("x"), "response_format": []}).encode(),
            "response_format",
        ),
    ],
)
def test_a_body_that_is_no_chat_request_is_400_and_names_the_field(
    body: bytes, param: str | None
) -> None:
    async def test() -> None:
        async with serving(make_settings(ONE)) as (proxy, recorder):
            reply = await send(proxy.port, chat(body))

            assert reply.status == 400
            assert reply.error["code"] == "invalid_request"
            assert reply.error["param"] == param
            assert len(str(reply.error["message"])) < 300
            await unspent(proxy, recorder)

    run(test)


@pytest.mark.parametrize(
    "name", ["", "small", "SMALL ", "echo", "é\n\x00", "x" * 9_000]
)
def test_a_model_nobody_has_is_404(name: str) -> None:
    async def test() -> None:
        async with serving(make_settings(ONE)) as (proxy, recorder):
            reply = await send(proxy.port, chat(model=name))

            assert (reply.status, reply.error["code"]) == (404, "model_not_found")
            assert len(reply.body) < 1_000
            await unspent(proxy, recorder)

    run(test)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("token", [TOKEN, "wrong"])
def test_a_body_over_the_limit_is_refused_while_it_arrives(
    token: str, chunked: bool
) -> None:
    async def test() -> None:
        async with serving(make_settings(ONE)) as (proxy, recorder):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            size = (
                "Transfer-Encoding: chunked" if chunked else "Content-Length: 104857600"
            )
            headers = (f"Authorization: Bearer {token}", size)
            writer.write(
                request("GET", "/", headers=headers).replace(
                    b"GET / ", b"POST /v1/chat/completions "
                )
            )
            piece = b"10000\r\n" + b" " * 65_536 + b"\r\n" if chunked else b" " * 65_536
            try:
                for _ in range(1600):
                    writer.write(piece)
                    await writer.drain()
                if chunked:
                    writer.write(b"0\r\n\r\n")
            except ConnectionError:
                pass
            reply = await read_reply(reader)
            writer.close()

            told = (reply.status, reply.error["code"])
            if token == TOKEN:
                assert told == (413, "request_too_large")
            else:
                assert told == (401, "invalid_api_key")
            await unspent(proxy, recorder)

    run(test, seconds=30)


def test_a_client_that_vanishes_while_sending_leaves_nothing_behind() -> None:
    whole = chat()

    async def test() -> None:
        async with serving(make_settings(ONE)) as (proxy, recorder):
            for cut in range(0, len(whole), 7):
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(whole[:cut])
                await writer.drain()
                writer.transport.abort()
            await unspent(proxy, recorder)

    run(test)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n" * 50,
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        request("POST", "/x", b"hello", ("Content-Length: 6",)),
        request("POST", "/x", b"hello", ("Transfer-Encoding: chunked",)),
        b"GET /ping HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20_000 + b"\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_connection_closed(raw: bytes) -> None:
    async def test() -> None:
        async with serving(make_settings(ONE)) as (proxy, recorder):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            writer.write(raw)
            writer.write_eof()
            try:
                said = await reader.read()
            except ConnectionError:
                said = b""
            writer.close()

            assert said[:13] in (b"", b"HTTP/1.1 400 ", b"HTTP/1.1 431 ")
            assert not any(event.attempts for event in recorder.requests)
            assert (await send(proxy.port, chat())).status == 200

    run(test)


def test_half_open_connections_hold_nobody_up() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            writers = []
            for _ in range(200):
                _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost:")
                writers.append(writer)

            reply = await send(proxy.port, chat())

            assert reply.status == 200
            for writer in writers:
                writer.close()

    run(test)
