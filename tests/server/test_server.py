"""Sockets of all kinds, and an orderly end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import RequestHandler

from tests.server.serving import (
    Client,
    Scripted,
    echo,
    get,
    on_both_loops,
    post,
    scripted,
    serving,
)
from tproxy.server.limits import Limits
from tproxy.server.server import Server


async def who(handler: RequestHandler) -> None:
    request = handler.request
    handler.write(f"{request.protocol} {request.remote_ip}")


@on_both_loops
async def test_tcp_has_an_address_and_no_delay() -> None:
    async with serving(scripted(who)) as served:
        bare = socket.create_server(("127.0.0.1", 0))  # names no protocol number
        await served.server.start([bare])
        client = Client(*await asyncio.open_connection(*bare.getsockname()))
        client.send(get())

        assert (await client.response()).body == b"http 127.0.0.1"
        assert served.server._shared is not None
        [connection] = served.server._shared.connections
        accepted = connection._outflow.transport.get_extra_info("socket")  # type: ignore[attr-defined]
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await client.close()


@on_both_loops
async def test_unix_sockets_are_served(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    server = Server(scripted(who))
    await server.start([bind_unix_socket(path)])
    client = Client(*await asyncio.open_unix_connection(path))
    client.send(get())

    assert (await client.response()).body == b"http 0.0.0.0"
    await client.close()
    await server.close_all()


@on_both_loops
async def test_several_sockets_are_served_and_a_port_is_shared() -> None:
    first = bind_sockets(0, "127.0.0.1", reuse_port=True)
    port = first[0].getsockname()[1]
    servers = [Server(scripted(who)), Server(scripted(who))]
    await servers[0].start(first + bind_sockets(0, "127.0.0.1"))
    await servers[1].start(bind_sockets(port, "127.0.0.1", reuse_port=True))
    for _ in range(20):
        client = Client(*await asyncio.open_connection("127.0.0.1", port))
        client.send(get())
        assert (await client.response()).status == 200
        await client.close()
    for server in servers:
        await server.close_all()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        f"openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -days 2"
        f" -addext subjectAltName=IP:127.0.0.1 -keyout {path} -out {path}.crt".split(),
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@on_both_loops
async def test_tls_is_ended_here(certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def both(handler: RequestHandler) -> None:
        await (echo if handler.request.method == "POST" else who)(handler)

    limits = Limits(handshake_seconds=0.1, linger_seconds=0.1)
    server = Server(scripted(both), limits=limits, tls=context)
    sockets = bind_sockets(0, "127.0.0.1")
    await server.start(sockets)
    port = sockets[0].getsockname()[1]
    trusting = ssl.create_default_context(cafile=certificate)

    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=trusting))
    client.send(get() + post(b"x" * 300_000))
    assert (await client.response()).body == b"https 127.0.0.1"
    assert (await client.response()).body == b"x" * 300_000
    client.send(b"nonsense\r\n\r\n")
    assert (await client.response()).status == 400
    await client.gone()
    await client.close()

    plain = Client(*await asyncio.open_connection("127.0.0.1", port))
    plain.send(get())  # no TLS at all
    await plain.gone()
    await plain.close()
    silent = Client(*await asyncio.open_connection("127.0.0.1", port))
    await silent.gone()
    await silent.close()
    vanishing = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=trusting))
    vanishing.send(get())
    vanishing.abort()
    await vanishing.close()
    await server.empty()
    await server.close_all()


@on_both_loops
async def test_draining_lets_answers_end() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def stream(handler: RequestHandler) -> None:
        if handler.request.path == "/begun":
            await handler.flush()
        begun.set()
        await go_on.wait()
        handler.write(b"end")

    async with (
        serving(scripted(stream), Limits(last_call_seconds=0.1)) as served,
        served.client() as idle,
        served.client() as used,
    ):
        go_on.set()
        used.send(get())
        await used.response()
        go_on.clear()
        async with served.client() as early, served.client() as late:
            begun.clear()
            late.send(get("/late") + get("/never"))
            await begun.wait()
            early.send(get("/begun"))
            head = await early.head()
            served.server.retire()
            draining = asyncio.ensure_future(served.server.drain(10))
            await asyncio.sleep(0.01)  # uvloop closes what listens in its own time
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", served.port)
            go_on.set()

            assert "connection" not in head.headers
            assert [chunk async for chunk in early.chunks()] == [b"end"]
            answer = await late.response()
            assert answer.headers["connection"] == "close"
            assert answer.body == b"end"
            assert await late.rest() == b""
            await late.close()  # we wait for that, as it may have more to send
            assert await idle.rest() == await used.rest() == await early.rest() == b""
            assert await draining


@on_both_loops
async def test_what_was_on_its_way_while_draining_began_is_answered() -> None:
    async def answer(handler: RequestHandler) -> None:
        handler.write(b"here")

    async with serving(scripted(answer)) as served, served.client() as client:
        client.send(get())
        assert "connection" not in (await client.response()).headers
        draining = asyncio.ensure_future(served.server.drain(10))
        await asyncio.sleep(0)

        client.send(get())

        reply = await client.response()
        assert (reply.headers["connection"], reply.body) == ("close", b"here")
        assert await client.rest() == b""
        assert await draining


@on_both_loops
async def test_draining_has_an_end() -> None:
    seen: list[RequestHandler] = []
    begun = asyncio.Event()

    async def wait(handler: RequestHandler) -> None:
        begun.set()
        assert isinstance(handler, Scripted)
        await handler.left.wait()

    async with serving(scripted(wait, seen)) as served, served.client() as client:
        client.send(get())
        await begun.wait()

        assert not await served.server.drain(0.01)
        await served.server.close_all()
        [handler] = seen
        assert isinstance(handler, Scripted)
        assert handler.left.is_set()
        assert await client.gone()


@on_both_loops
async def test_a_handler_can_hang_up_after_its_last_words() -> None:
    async def hang_up(handler: RequestHandler) -> None:
        handler.write(b"x" * 1_000_000)
        if handler.request.path == "/finished":
            handler.finish()
        else:
            handler.flush()
        handler.request.connection.close()  # type: ignore[union-attr]
        if not handler._finished:
            handler.finish()

    async with serving(scripted(hang_up)) as served:
        async with served.client() as client:
            client.send(get("/finished") + get())

            assert len((await client.response()).body) == 1_000_000
            assert await client.rest() == b""
        async with served.client() as client:
            client.send(get())

            assert (await client.head()).status == 200
            assert len(await client.rest()) == 1_000_000 + len("f4240\r\n\r\n")
