"""Which connection may carry another request, and what is not sent twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.transport.scripted import (
    OK,
    PATIENT,
    SKIPPING,
    STREAM,
    Provider,
    Visit,
    always,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Patience, Reach, Upstream
from tproxy.core.upstream import Broken, UpstreamRequest
from tproxy.transport.client import PooledClient
from tproxy.transport.pooled import PooledTransport

UPSTREAM = upstream()


async def get(
    transport: PooledTransport,
    there: Provider,
    to: Upstream | None = None,
    patience: Patience = PATIENT,
) -> bytes:
    to = UPSTREAM if to is None else to
    async with transport.open(ask(there.url), to, patience) as reply:
        return b"".join([data async for data in reads(reply)])


def test_a_finished_exchange_gives_its_connection_back(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as there:
            transport = PooledTransport()
            for _ in range(5):
                assert await get(transport, there) == b"ok"
            assert len(there.visits) == 1
            transport.close()
            await there.visits[0].gone.wait()

    run(loop, main())


@pytest.mark.parametrize("reply", [OK, STREAM + b"2\r\nok\r\n0\r\n\r\n"])
def test_leaving_right_after_the_last_byte_keeps_the_connection(
    loop: str, reply: bytes
) -> None:
    async def main() -> None:
        async with provider(always(reply)) as there:
            transport = PooledTransport()
            for _ in range(3):
                async with transport.open(ask(there.url), UPSTREAM, PATIENT) as got:
                    assert await got.read() == b"ok"
            assert len(there.visits) == 1
            transport.close()

    run(loop, main())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"garbage",
        OK + OK,
        OK + b"\x00",
        OK + b"HTTP/1.1 200 OK\r\n",
    ],
)
def test_what_is_not_to_be_reused_is_closed(loop: str, reply: bytes) -> None:
    async def main() -> None:
        async with provider(always(reply)) as there:
            transport = PooledTransport()
            for number in (1, 2):
                assert await get(transport, there) == b"ok"
                await (await there.visit(number)).gone.wait()
            assert len(there.visits) == 2

    run(loop, main())


def test_bytes_nobody_asked_for_end_an_idle_connection(loop: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(OK)
        if visit.number == 1:
            await speak.wait()
            await visit.send(OK.replace(b"ok", b"no"))
        await visit.left()

    async def main() -> None:
        async with provider(script) as there:
            transport = PooledTransport()
            assert await get(transport, there) == b"ok"
            speak.set()
            await there.visits[0].gone.wait()
            assert await get(transport, there) == b"ok"
            assert len(there.visits) == 2
            transport.close()

    speak = asyncio.Event()
    run(loop, main())


@pytest.mark.parametrize(("told", "visits"), [(1, 2), (60, 1)])
def test_a_provider_that_says_how_long_it_waits_is_believed(
    told: int, visits: int
) -> None:
    head = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=%d, max=9\r\n" % told

    async def main() -> None:
        async with provider(always(head + b"Content-Length: 2\r\n\r\nok")) as there:
            transport = PooledTransport()
            for _ in range(2):
                assert await get(transport, there) == b"ok"
                await asyncio.sleep(5)
            assert len(there.visits) == visits
            transport.close()

    run(SKIPPING, main())


async def closes_on_the_second(visit: Visit) -> None:
    """Closes as the second request arrives, and has said nothing to it."""
    await visit.request()
    await visit.send(OK)
    if visit.number == 1:
        await visit.reader.readexactly(1)
        visit.reset()
    else:
        await visit.left()


def test_what_is_safe_to_repeat_is_sent_again_on_a_fresh_connection(loop: str) -> None:
    async def main() -> None:
        async with provider(closes_on_the_second) as there:
            transport = PooledTransport()
            for _ in range(2):
                request = ask(there.url, b"", "GET")
                async with transport.open(request, UPSTREAM, PATIENT) as reply:
                    assert b"".join([read async for read in reads(reply)]) == b"ok"
            assert len(there.visits) == 2
            transport.close()

    run(loop, main())


def test_what_is_not_safe_to_repeat_is_told_to_be_stale(loop: str) -> None:
    async def main() -> None:
        async with provider(closes_on_the_second) as there:
            transport = PooledTransport()
            assert await get(transport, there) == b"ok"
            with pytest.raises(Broken) as broken:
                await get(transport, there)
            assert broken.value.failure is failures.STALE
            assert len(there.visits) == 1
            assert await get(transport, there) == b"ok"
            transport.close()

    run(loop, main())


def test_a_connection_closed_while_idle_is_not_used(loop: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(OK)

    async def main() -> None:
        async with provider(script) as there:
            client = PooledClient(force_instance=True)
            transport = PooledTransport(client=client)
            for number in range(5):
                assert await get(transport, there) == b"ok"
                assert len(there.visits) == number + 1
                while client.idle:  # noqa: ASYNC110 - the end arrives unannounced
                    await asyncio.sleep(0)
            transport.close()

    run(loop, main())


@pytest.mark.parametrize(
    ("partial", "expected"), [(b"", failures.LOST), (b"HTTP/1.1 2", failures.LOST)]
)
def test_what_may_have_been_processed_is_not_sent_twice(
    loop: str, partial: bytes, expected: Failure
) -> None:
    """On a fresh connection nothing is repeated; nor once a byte of a reply came."""

    async def script(visit: Visit) -> None:
        if partial:
            await visit.request()
            await visit.send(OK)
        await visit.request()
        await visit.send(partial)

    async def main() -> None:
        async with provider(script) as there:
            transport = PooledTransport()
            if partial:
                await get(transport, there)
            with pytest.raises(Broken) as broken:
                await get(transport, there)
            assert broken.value.failure is expected
            assert len(there.visits) == 1

    run(loop, main())


def test_a_repeat_is_not_repeated(loop: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        if visit.number == 1:
            await visit.send(OK)
            await visit.request()

    async def main() -> None:
        async with provider(script) as there:
            transport = PooledTransport()
            assert await get(transport, there) == b"ok"
            safe = ask(there.url, b"", "GET")
            with pytest.raises(Broken) as broken:
                async with transport.open(safe, UPSTREAM, PATIENT):
                    pass
            assert broken.value.failure is failures.LOST
            assert len(there.visits) == 2

    run(loop, main())


def test_a_reply_before_the_whole_request_was_sent_is_read_and_not_reused(
    loop: str,
) -> None:
    async def script(visit: Visit) -> None:
        await visit.reader.readuntil(b"\r\n\r\n")
        await visit.send(b"HTTP/1.1 413 Large\r\nContent-Length: 2\r\n\r\nno")
        await visit.left()

    async def main() -> None:
        async with provider(script) as there:
            transport = PooledTransport()
            request = ask(there.url, b"x" * 20_000_000)
            async with transport.open(request, UPSTREAM, PATIENT) as reply:
                assert reply.head.status == 413
                assert [data async for data in reads(reply)] == [b"no"]
            await there.visits[0].gone.wait()

    run(loop, main())


@pytest.mark.parametrize(
    ("url", "headers", "proxy"),
    [
        ("ftp://localhost/", (), None),
        ("http:///nowhere", (), None),
        ("http://127.0.0.1:99999/", (), None),
        ("http://127.0.0.1/a b", (), None),
        ("http://127.0.0.1/", (("X", "a\r\nHost: b"),), None),
        ("http://127.0.0.1/", (("X", "a\n b"),), None),
        ("http://127.0.0.1/", (("X", "a\0b"),), None),
        ("http://127.0.0.1/", (("X Y", "a"),), None),
        ("http://127.0.0.1/", (("", "a"),), None),
        ("http://127.0.0.1/", (("X", "ą"),), None),
        ("http://127.0.0.1/", (), "socks5://localhost"),
    ],
)
def test_what_cannot_be_said_in_http_is_not_sent(
    url: str, headers: tuple[tuple[str, str], ...], proxy: str | None
) -> None:
    async def main() -> None:
        transport = PooledTransport(reach=lambda _: Reach(proxy=proxy))
        request = UpstreamRequest("POST", url, headers, b"")
        with pytest.raises(Broken) as broken:
            async with transport.open(request, UPSTREAM, PATIENT):
                pass
        assert broken.value.failure is failures.UNREACHABLE

        assert "Connect call" not in broken.value.detail

    run("asyncio", main())
