"""Beyond `server.max_in_flight` a request is refused at once, and nothing else is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs

from tests.dialect import event
from tests.faults.script import End, Script, chunked
from tests.faults.stepped import END
from tests.faults.upstream import ScriptedUpstream, scripted
from tests.serving import TOKEN, chat, client, model, request, run, send, serving
from tests.serving import settings as served
from tproxy.app import Proxy
from tproxy.core.model import Client
from tproxy.settings import Settings

STREAM = chat(stream=True)
HELD = chunked([event("Well"), End.HOLD])
WHOLE = chunked([event("Hello"), END])


def at_most(requests: int, url: str, clients: tuple[Client, ...]) -> Settings:
    settings = served(model("near/slow", url=url), clients=clients)
    server = attrs.evolve(settings.server, max_in_flight=requests)
    return attrs.evolve(settings, server=server)


@asynccontextmanager
async def full(
    scripts: Sequence[Script] = (HELD, WHOLE),
    clients: tuple[Client, ...] = (client(),),
    stream: bytes = STREAM,
) -> AsyncIterator[tuple[Proxy, ScriptedUpstream, asyncio.StreamReader]]:
    """A proxy with one place, its provider, and the stream that has the place."""
    async with (
        scripted(*scripts) as upstream,
        serving(at_most(1, upstream.url, clients)) as (proxy, _),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(stream)
        await reader.readuntil(b"Well")
        yield proxy, upstream, reader
        writer.close()


async def status(proxy: Proxy, raw: bytes = STREAM) -> int:
    return (await send(proxy.port, raw)).status


def test_one_too_many_is_told_to_come_again_and_hears_it_at_once() -> None:
    async def test() -> None:
        async with full() as (proxy, upstream, _):
            reply = await send(proxy.port, STREAM)

            assert (reply.status, reply.error["code"]) == (503, "overloaded")
            assert reply.error["type"] == "server_error"
            assert reply.headers["retry-after"] == "1"
            assert "connection" not in reply.headers
            assert len(upstream.asked) == 1

    run(test)


def test_a_full_proxy_says_that_it_lives_and_is_ready() -> None:
    async def test() -> None:
        async with full() as (proxy, *_):
            for path in ("/ping", "/readyz", "/v1/models"):
                assert await status(proxy, request("GET", path)) == 200
            said = await send(proxy.port, request("GET", "/status"))
            assert json.loads(said.body)["active"] == 1

    run(test)


def test_a_stranger_to_a_full_proxy_hears_nothing_of_that() -> None:
    async def test() -> None:
        async with full() as (proxy, *_):
            raw = request("POST", "/v1/chat/completions", b"{}", headers=())
            assert await status(proxy, raw) == 401

    run(test)


def test_who_comes_again_finds_the_place_that_became_free() -> None:
    async def test() -> None:
        go_on = asyncio.Event()
        slow = chunked([event("Well"), go_on, END])
        async with full((slow, WHOLE)) as (proxy, _, reader):
            assert await status(proxy) == 503
            go_on.set()
            await reader.readuntil(b"[DONE]")
            assert await status(proxy) == 200

    run(test)


def test_a_client_that_leaves_gives_up_its_place() -> None:
    async def test() -> None:
        async with full() as (proxy, upstream, reader):
            assert await status(proxy) == 503
            reader._transport.abort()  # type: ignore[attr-defined]
            await upstream.asked[0].left.wait()
            assert await status(proxy) == 200

    run(test)


def test_a_reload_changes_how_many_there_may_be() -> None:
    async def test() -> None:
        async with full() as (proxy, upstream, _):
            assert await status(proxy) == 503
            proxy.reload(at_most(2, upstream.url, (client(),)))
            assert await status(proxy) == 200

    run(test)


def test_places_are_the_proxys_and_no_clients_own() -> None:
    async def test() -> None:
        clients = client("one", "token-one"), client("two", "token-two")
        one, two = (
            STREAM.replace(TOKEN.encode(), token)
            for token in (b"token-one", b"token-two")
        )
        async with full(clients=clients, stream=one) as (proxy, *_):
            assert await status(proxy, two) == 503

    run(test)
