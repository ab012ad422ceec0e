"""Tornado's interface: any HTTPRequest, as its documentation has it."""

from __future__ import annotations

import asyncio

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

from tests.transport.scripted import (
    DATA,
    OK,
    STREAM,
    Provider,
    Visit,
    always,
    answers,
    provider,
    run,
    server_tls,
)
from tproxy.core import failures
from tproxy.core.upstream import Broken
from tproxy.transport.client import PooledClient


def client() -> AsyncHTTPClient:
    return PooledClient(force_instance=True)


def test_a_response_is_whole(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as there:
            asked = client()
            for _ in range(2):
                response = await asked.fetch(there.url)
                assert (response.code, response.body) == (200, b"ok")
                assert response.headers["Content-Length"] == "2"
                assert response.effective_url == there.url
            assert len(there.visits) == 1
            asked.close()
            with pytest.raises(RuntimeError, match="closed"):
                asked.fetch(there.url)

    run(loop, main())


def test_a_status_is_an_error_unless_asked_otherwise(loop: str) -> None:
    async def main() -> None:
        reply = b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnone"
        async with provider(always(reply)) as there:
            asked = client()
            with pytest.raises(HTTPClientError) as error:
                await asked.fetch(there.url)
            assert error.value.code == 404
            assert error.value.response is not None
            assert error.value.response.body == b"none"
            response = await asked.fetch(there.url, raise_error=False)
            assert response.code == 404
            asked.close()

    run(loop, main())


def test_the_request_says_what_it_was_given(loop: str) -> None:
    seen: list[bytes] = []

    async def script(visit: Visit) -> None:
        seen.append(await visit.request())
        await visit.send(OK)

    async def main() -> None:
        async with provider(script) as there:
            request = HTTPRequest(
                f"{there.url}/path",
                method="PUT",
                headers={"X-One": "1"},
                body="bödy",
                auth_username="user",
                auth_password="pass",
                user_agent="tests",
            )
            await client().fetch(request)

    run(loop, main())
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"PUT /path HTTP/1.1"
    assert {
        b"X-One: 1",
        b"Authorization: Basic dXNlcjpwYXNz",
        b"User-Agent: tests",
        b"Accept-Encoding: gzip",
        b"Content-Length: 5",
    } <= set(lines)
    assert body == "bödy".encode()


def test_callbacks_hear_head_and_reads(loop: str) -> None:
    async def main() -> None:
        reply = b"HTTP/1.1 200 OK\r\nX-One: 1\r\n\r\nbody"
        lines: list[str] = []
        reads: list[bytes] = []
        async with provider(answers_once(reply)) as there:
            response = await client().fetch(
                there.url, header_callback=lines.append, streaming_callback=reads.append
            )
        assert lines == ["HTTP/1.1 200 OK\r\n", "X-One: 1\r\n", "\r\n"]
        assert b"".join(reads) == b"body"
        assert response.body == b""

    run(loop, main())


def answers_once(reply: bytes):  # type: ignore[no-untyped-def] # see answers
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(reply)

    return script


def test_a_coroutine_callback_holds_the_next_read_back(loop: str) -> None:
    size = 20_000_000
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(reply)
        for _ in range(200):
            await visit.send(b"x" * (size // 200))
            sent.append(size // 200)

    async def main() -> None:
        inside = 0
        got = 0

        async def take(data: bytes) -> None:
            nonlocal inside, got
            inside += 1
            assert inside == 1
            if not got:  # long enough for all of it to come, were it not held back
                for _ in range(300):
                    await asyncio.sleep(0)
                assert sum(sent) < size
            got += len(data)
            inside -= 1

        async with provider(script) as there:
            await client().fetch(there.url, streaming_callback=take)
        assert got == size

    sent: list[int] = []
    run(loop, main())


def test_cancelling_hangs_up(loop: str) -> None:
    async def main() -> None:
        async with provider(answers(STREAM + b"1\r\na\r\n")) as there:
            begun = asyncio.Event()
            future = client().fetch(there.url, streaming_callback=lambda _: begun.set())
            await begun.wait()
            future.cancel()
            await there.visits[0].gone.wait()

    run(loop, main())


def test_errors_are_tornados(loop: str) -> None:
    async def main() -> None:
        asked = client()
        async with provider(answers(b"")) as there:
            with pytest.raises(HTTPTimeoutError):
                await asked.fetch(there.url, request_timeout=0.1)
        async with provider(answers_once(b"")) as there:
            with pytest.raises(HTTPStreamClosedError) as error:
                await asked.fetch(there.url)
            assert isinstance(error.value.__cause__, Broken)
            assert error.value.__cause__.failure is failures.LOST
        for setting in ("body_producer", "network_interface", "ssl_options"):
            request = HTTPRequest(there.url)
            setattr(request, setting, lambda: None)
            with pytest.raises(ValueError, match=setting):
                asked.fetch(request)

    run(loop, main())


def redirecting(to: str, status: int) -> bytes:
    return (
        f"HTTP/1.1 {status} Over there\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("status", "method", "body"), [(303, b"GET", b""), (307, b"POST", b"x")]
)
def test_redirects_are_followed_as_far_as_allowed(
    loop: str, status: int, method: bytes, body: bytes
) -> None:
    seen: list[bytes] = []

    async def script(visit: Visit) -> None:
        while True:
            request = await visit.request()
            seen.append(request)
            moved = request.split(b" ")[1] == b"/old"
            await visit.send(redirecting("/new", status) if moved else OK)

    async def main() -> None:
        async with provider(script) as there:
            asked = client()
            response = await asked.fetch(f"{there.url}/old", method="POST", body="x")
            assert response.body == b"ok"
            assert response.effective_url == f"{there.url}/new"
            response = await asked.fetch(
                f"{there.url}/old", follow_redirects=False, raise_error=False
            )
            assert response.code == status
            asked.close()

    run(loop, main())
    assert seen[1].startswith(method + b" /new ")
    assert seen[1].endswith(b"\r\n\r\n" + body)


def test_credentials_do_not_follow_to_another_origin(loop: str) -> None:
    seen: list[bytes] = []

    async def other(visit: Visit) -> None:
        seen.append(await visit.request())
        await visit.send(OK)

    async def main(there: Provider, asked: AsyncHTTPClient) -> None:
        async with provider(always(redirecting(there.url, 302))) as first:
            headers = {"Authorization": "Bearer secret"}
            await asked.fetch(first.url, headers=headers)
            asked.close()

    async def both() -> None:
        async with provider(other) as there:
            await main(there, client())

    run(loop, both())
    assert b"secret" not in seen[0]


def test_tls_settings_are_heeded(loop: str) -> None:
    async def main() -> None:
        async with provider(
            always(OK), tls=server_tls(client_ca=True), host="localhost"
        ) as there:
            asked = client()
            response = await asked.fetch(
                there.url,
                ca_certs=str(DATA / "ca.pem"),
                client_cert=str(DATA / "client.pem"),
                client_key=str(DATA / "client.key"),
            )
            assert response.body == b"ok"
            asked.close()

    run(loop, main())


def test_it_can_be_tornados_default_client() -> None:
    async def main() -> None:
        AsyncHTTPClient.configure(PooledClient)
        try:
            default = AsyncHTTPClient()
            assert isinstance(default, PooledClient)
            assert AsyncHTTPClient() is default
            default.close()
        finally:
            AsyncHTTPClient.configure(None)

    run("asyncio", main())
