"""Whose request it is, on a connection that is kept."""

from __future__ import annotations

import asyncio
import gc
import weakref

from tests.serving import TOKEN, chat, client, read_reply, run, serving, settings
from tproxy.app import Proxy

OTHER = "another-token-1"
MINE = chat()
THEIRS = MINE.replace(TOKEN.encode(), OTHER.encode())
NOBODYS = MINE.replace(TOKEN.encode(), b"another-token-2")


async def statuses(proxy: Proxy, *asked: bytes, reloaded: bool = False) -> list[int]:
    """What is answered on one connection; at half of it there is but one client."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    answered = []
    for place, each in enumerate(asked):
        if reloaded and place == len(asked) // 2:
            proxy.reload(settings(clients=(client("other", OTHER),)))
        writer.write(each)
        answered.append((await read_reply(reader)).status)
    writer.close()
    return answered


def test_each_request_is_of_the_client_whose_token_it_has() -> None:
    async def test() -> None:
        both = settings(clients=(client(), client("other", OTHER)))
        asked = (MINE, MINE, THEIRS, THEIRS, NOBODYS, MINE, NOBODYS, THEIRS)
        async with serving(both) as (proxy, recorder):
            await statuses(proxy, *asked)

        whose = {MINE: "tester", THEIRS: "other", NOBODYS: None}
        assert [told.client for told in recorder.requests] == [whose[x] for x in asked]

    run(test)


def test_a_reload_lets_in_and_shuts_out_on_connections_that_there_are() -> None:
    async def test() -> None:
        for asked, answered in (
            ((MINE, MINE, MINE, MINE), [200, 200, 401, 401]),
            ((THEIRS, THEIRS, THEIRS, THEIRS), [401, 401, 200, 200]),
            ((MINE, THEIRS, MINE, THEIRS), [200, 401, 401, 200]),
        ):
            async with serving() as (proxy, _):
                assert await statuses(proxy, *asked, reloaded=True) == answered

    run(test)


def test_a_client_that_is_shut_out_does_not_keep_what_was_before() -> None:
    async def test() -> None:
        async with serving() as (proxy, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            before = weakref.ref(proxy._context.snapshot.relay.catalog)
            for status in (200, 401):
                writer.write(MINE)
                assert (await read_reply(reader)).status == status
                proxy.reload(settings(clients=(client("other", OTHER),)))
            await asyncio.sleep(0)  # the task that answered ends
            gc.collect()
            kept = before()
            writer.close()
            assert kept is None

    run(test)
