"""TLS to providers: who is trusted, who we show ourselves to, and what is refused."""

from __future__ import annotations

import asyncio
import gc
import ssl

import pytest

from tests.test_secure import READ, End, Wire
from tests.transport.scripted import (
    DATA,
    OK,
    PATIENT,
    SHOWN,
    STREAM,
    TRUSTED,
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
from tproxy.core.model import Patience, Tls
from tproxy.core.upstream import Broken
from tproxy.transport.pooled import PooledTransport
from tproxy.transport.secure import SecureTransport
from tproxy.transport.tls import Contexts


async def get(transport: PooledTransport, url: str, tls: Tls) -> bytes:
    async with transport.open(ask(url), upstream(tls), PATIENT) as reply:
        return b"".join([data async for data in reads(reply)])


def broken_by(
    loop: str, context: ssl.SSLContext, tls: Tls, host: str = "localhost"
) -> Failure:
    async def main() -> Failure:
        async with provider(always(OK), tls=context, host=host) as there:
            with pytest.raises(Broken) as broken:
                await get(PooledTransport(), there.url, tls)
            return broken.value.failure

    return run(loop, main())


def test_connections_are_kept_and_the_name_is_told(loop: str) -> None:
    names: list[str | None] = []

    async def main() -> None:
        context = server_tls()
        context.sni_callback = lambda _, name, __: names.append(name)
        async with provider(always(OK), tls=context, host="localhost") as there:
            transport = PooledTransport()
            for _ in range(3):
                assert await get(transport, there.url, TRUSTED) == b"ok"
            assert len(there.visits) == 1
            transport.close()
            await there.visits[0].gone.wait()

    run(loop, main())
    assert names == ["localhost"]


def test_an_unknown_authority_is_not_trusted(loop: str) -> None:
    assert broken_by(loop, server_tls(), Tls()) is failures.TLS


def test_the_name_must_be_the_certificates(loop: str) -> None:
    assert broken_by(loop, server_tls(), TRUSTED, "127.0.0.1") is failures.TLS


def test_old_tls_is_refused(loop: str) -> None:
    context = server_tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    assert broken_by(loop, context, TRUSTED) is failures.TLS


def test_a_file_that_is_no_certificate_breaks_the_exchange(loop: str) -> None:
    for name in ("missing.pem", "client.key"):
        wrong = Tls(ca_file=str(DATA / name))
        assert broken_by(loop, server_tls(), wrong) is failures.TLS


def test_we_show_our_certificate(loop: str) -> None:
    shown: list[object] = []

    async def script(visit: Visit) -> None:
        shown.append(visit.writer.get_extra_info("peercert")["subject"])
        await answers(OK)(visit)

    async def main() -> None:
        context = server_tls(client_ca=True)
        async with provider(script, tls=context, host="localhost") as there:
            transport = PooledTransport()
            assert await get(transport, there.url, SHOWN) == b"ok"
            transport.close()

    run(loop, main())
    assert shown == [((("commonName", "client"),),)]


def test_a_provider_that_wants_a_certificate_gets_nothing_without(loop: str) -> None:
    """With TLS 1.3 it says so after the handshake, when the request is out."""
    found = broken_by(loop, server_tls(client_ca=True), TRUSTED)

    assert found in (failures.TLS, failures.LOST)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 400 this is plain\r\n\r\n", failures.TLS),
        (b"", failures.NO_CONNECT),
    ],
)
def test_a_provider_without_tls_is_told_apart(
    loop: str, reply: bytes, expected: Failure
) -> None:
    async def script(visit: Visit) -> None:
        await visit.send(reply)
        await visit.left()

    async def main() -> None:
        async with provider(script, host="localhost") as there:
            request = ask(there.url.replace("http:", "https:"))
            transport = PooledTransport()
            patience = Patience(connect=0.2)
            with pytest.raises(Broken) as broken:
                async with transport.open(request, upstream(TRUSTED), patience):
                    pass
            assert broken.value.failure is expected
            await there.visits[0].gone.wait()

    run(loop, main())


@pytest.mark.parametrize("notified", [True, False], ids=["notified", "cut"])
def test_a_body_without_length_must_be_ended_by_tls(loop: str, notified: bool) -> None:
    """Whoever cuts the line must not be able to end an answer."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\nall")
        if not notified:
            visit.writer.transport.abort()

    async def main() -> None:
        async with provider(script, tls=server_tls(), host="localhost") as there:
            if notified:
                assert await get(PooledTransport(), there.url, TRUSTED) == b"all"
                return
            with pytest.raises(Broken) as broken:
                await get(PooledTransport(), there.url, TRUSTED)
            assert broken.value.failure is failures.EARLY_END

    run(loop, main())


def test_large_bodies_both_ways(loop: str) -> None:
    body = bytes(range(256)) * 20_000
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def script(visit: Visit) -> None:
        request = await visit.request()
        assert request.endswith(body)
        await visit.send(head + body)
        await visit.left()

    async def main() -> None:
        async with provider(script, tls=server_tls(), host="localhost") as there:
            transport = PooledTransport()
            request = ask(there.url, body)
            async with transport.open(request, upstream(TRUSTED), PATIENT) as reply:
                assert b"".join([data async for data in reads(reply)]) == body
            transport.close()

    run(loop, main())


def test_whoever_is_inside_is_connected_before_all_else() -> None:
    class Inside(asyncio.BufferedProtocol):
        def connection_made(self, _: asyncio.BaseTransport) -> None:
            told.append("made")

        def buffer_updated(self, _: int) -> None:
            told.append("read")

        def connection_lost(self, _: Exception | None) -> None:
            told.append("lost")

    async def main() -> None:
        context = ssl.create_default_context(cafile=TRUSTED.ca_file)
        view = memoryview(bytearray(READ))
        client = SecureTransport(Inside(), context, "localhost", view)
        server, wire = End(server_tls(), READ, None), Wire()
        server.connection_made(server.wire)
        client.connection_made(wire)
        handshake = asyncio.ensure_future(client.handshake())
        while wire.sent or server.wire.sent:
            sent = bytes(wire.sent)
            wire.sent.clear()
            if server.feed(sent) and server._secured:
                server.write(b"too early")
            sent = bytes(server.wire.sent)
            server.wire.sent.clear()
            client.get_buffer(-1)[: len(sent)] = sent
            client.buffer_updated(len(sent))
        client.connection_lost(None)
        await handshake

    told: list[str] = []
    run("asyncio", main())
    assert told == ["made", "read", "lost"]


def test_the_handshake_is_over_though_inside_fails(loop: str) -> None:
    class Inside(asyncio.BufferedProtocol):
        def connection_made(self, _: asyncio.BaseTransport) -> None:
            raise KeyError

    async def main() -> None:
        context = ssl.create_default_context(cafile=TRUSTED.ca_file)
        view = memoryview(bytearray(READ))
        async with provider(always(OK), tls=server_tls()) as there:
            client = SecureTransport(Inside(), context, "localhost", view)
            here = asyncio.get_running_loop()
            await here.create_connection(lambda: client, "127.0.0.1", there.port)
            await client.handshake()

    run(loop, main(), quietly=False)


def test_leaving_in_the_handshake_closes(loop: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.reader.read(1)
        begun.set()
        await visit.left()

    async def main() -> None:
        async with provider(script, host="localhost") as there:
            url = there.url.replace("http:", "https:")
            asking = asyncio.ensure_future(get(PooledTransport(), url, TRUSTED))
            await begun.wait()
            asking.cancel()
            await there.visits[0].gone.wait()
            assert asking.cancelled()

    begun = asyncio.Event()
    run(loop, main())


def test_leaving_at_any_turn_of_the_loop_is_quiet(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK), tls=server_tls(), host="localhost") as there:
            for turns in range(12):
                transport = PooledTransport()
                asking = asyncio.ensure_future(get(transport, there.url, TRUSTED))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
                transport.close()
        await asyncio.sleep(0.01)
        gc.collect()  # it tells of errors that nobody looked at

    run(loop, main())


def test_nobody_shakes_hands_anew() -> None:
    """While they do, nothing can be written; TLS 1.3 has done without."""
    assert Contexts().of(Tls()).options & ssl.OP_NO_RENEGOTIATION


def test_leaving_in_the_body_closes(loop: str) -> None:
    async def main() -> None:
        script = answers(STREAM + b"1\r\na\r\n")
        async with provider(script, tls=server_tls(), host="localhost") as there:
            transport = PooledTransport()
            to = upstream(TRUSTED)
            async with transport.open(ask(there.url), to, PATIENT) as reply:
                assert await reply.read() == b"a"
            await there.visits[0].gone.wait()

    run(loop, main())
