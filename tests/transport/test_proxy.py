"""Providers behind an HTTP proxy."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc

import pytest

from tests.transport.scripted import (
    OK,
    PATIENT,
    TRUSTED,
    Script,
    Visit,
    always,
    answers,
    ask,
    provider,
    reads,
    run,
    server_tls,
    upstream,
)
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Limits, Patience, Reach
from tproxy.core.upstream import Broken
from tproxy.transport.pooled import PooledTransport
from tproxy.transport.route import Proxy

_CREDENTIALS = base64.b64encode(b"user:p@ss").decode()


def through(port: int, credentials: str = "") -> PooledTransport:
    proxy = f"http://{credentials}127.0.0.1:{port}"
    return PooledTransport(reach=lambda _: Reach(Limits(), proxy))


def tunnel(seen: list[bytes]) -> Script:
    """A proxy that does as CONNECT says."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def script(visit: Visit) -> None:
        asked = await visit.request()
        seen.append(asked)
        host, _, port = asked.split(b" ")[1].decode().partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        await visit.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(visit.reader, writer), pump(reader, visit.writer))

    return script


async def get(transport: PooledTransport, url: str) -> bytes:
    async with transport.open(ask(url), upstream(TRUSTED), PATIENT) as reply:
        return b"".join([data async for data in reads(reply)])


def test_tls_goes_through_a_tunnel_that_is_kept(loop: str) -> None:
    seen: list[bytes] = []

    async def main() -> None:
        tls = server_tls()
        async with (
            provider(always(OK), tls=tls, host="localhost") as there,
            provider(tunnel(seen)) as proxy,
        ):
            transport = through(proxy.port, "user:p%40ss@")
            for _ in range(3):
                assert await get(transport, there.url) == b"ok"
            assert (len(proxy.visits), len(there.visits)) == (1, 1)
            transport.close()
            await there.visits[0].gone.wait()
            await proxy.visits[0].gone.wait()
            assert seen[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % there.port)

    run(loop, main())
    assert f"\r\nProxy-Authorization: Basic {_CREDENTIALS}\r\n".encode() in seen[0]
    assert b"X-Test" not in seen[0]


def test_plain_targets_are_asked_for_in_absolute_form(loop: str) -> None:
    seen: list[bytes] = []

    async def script(visit: Visit) -> None:
        seen.append(await visit.request())
        await visit.send(OK)
        await visit.left()

    async def main() -> None:
        async with provider(script) as proxy:
            transport = through(proxy.port, "user:p%40ss@")
            assert await get(transport, "http://provider.invalid/v1?a=b") == b"ok"
            transport.close()

    run(loop, main())
    lines = seen[0].split(b"\r\n")
    assert lines[0] == b"POST http://provider.invalid/v1?a=b HTTP/1.1"
    assert lines[1] == b"Host: provider.invalid"
    assert f"Proxy-Authorization: Basic {_CREDENTIALS}".encode() in lines


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407 Proxy Auth"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n", "403 Forbidden"),
        (b"HTTP/1.0 502\r\n\r\n", "502"),
        (b"220 smtp\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "nobody asked for"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000, "does not end"),
        (b"", "closed"),
    ],
)
def test_a_proxy_that_refuses(loop: str, said: bytes, detail: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(said)

    async def main() -> None:
        async with provider(script) as proxy:
            with pytest.raises(Broken, match=detail) as broken:
                await get(through(proxy.port), "https://provider.invalid/")
            assert broken.value.failure is failures.UNREACHABLE
            await proxy.visits[0].gone.wait()

    run(loop, main())


def test_a_proxy_that_wants_credentials_for_a_plain_target(loop: str) -> None:
    reply = b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n"

    async def main() -> None:
        async with provider(always(reply)) as proxy:
            transport = through(proxy.port)
            with pytest.raises(Broken, match="407") as broken:
                await get(transport, "http://provider.invalid/")
            assert broken.value.failure is failures.UNREACHABLE
            transport.close()

    run(loop, main())


def test_leaving_at_any_turn_of_the_loop_is_quiet(loop: str) -> None:
    async def main() -> None:
        async with provider(answers()) as proxy:
            for turns in range(12):
                transport = through(proxy.port)
                asking = asyncio.ensure_future(get(transport, "https://localhost/"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
                transport.close()
        await asyncio.sleep(0.01)
        gc.collect()  # it tells of errors that nobody looked at

    run(loop, main())


def test_no_proxy_is_asked_for_a_name_that_is_none(loop: str) -> None:
    async def main() -> None:
        async with provider(answers()) as proxy:
            with pytest.raises(Broken) as broken:
                await get(through(proxy.port), "https://.invalid/")
            assert broken.value.failure is failures.UNREACHABLE
            assert not proxy.visits

    run(loop, main())


def test_a_silent_proxy_is_left_in_time(loop: str) -> None:
    async def main() -> Failure:
        async with provider(answers()) as proxy:
            transport = through(proxy.port)
            request = ask("https://provider.invalid/")
            patience = Patience(connect=0.4)  # certificates are read meanwhile
            with pytest.raises(Broken, match="proxy") as broken:
                async with transport.open(request, upstream(), patience):
                    pass
            await proxy.visits[0].gone.wait()
            return broken.value.failure

    assert run(loop, main()) is failures.NO_CONNECT


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host:1",
        "https://host:1",
        "socks5://host:1",
        "http://",
        "http://host:port",
        "http://host/path",
    ],
)
def test_what_is_no_proxy_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"a proxy is|[Pp]ort"):
        Proxy.parse(url)


def test_credentials_are_kept_out_of_sight() -> None:
    proxy = Proxy.parse("http://user:secret@host:8080")

    assert (proxy.host, proxy.port) == ("host", 8080)
    assert "Basic" not in repr(proxy)
    assert "secret" not in repr(Reach(proxy="http://user:secret@host:8080"))
