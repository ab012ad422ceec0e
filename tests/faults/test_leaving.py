"""A client that leaves while the provider does nothing takes all with it."""

from __future__ import annotations

import asyncio

from tests.e2e.stage import at, said, staged
from tests.faults.breaks import BEGUN
from tests.faults.fault import failing
from tests.faults.laboratory import discreet
from tests.faults.script import End, Script, chunked
from tests.faults.table import FAULTS, streamed
from tests.faults.upstream import scripted
from tests.serving import request, run


@streamed
def test_a_client_that_leaves_takes_the_exchange_with_it(stream: bool) -> None:
    """While the provider is silent, before and after content."""
    silent: list[Script] = [[End.HOLD], chunked([End.HOLD])]
    if stream:
        silent.append(chunked([*BEGUN, End.HOLD]))

    async def test() -> None:
        for script in silent:
            async with (
                scripted(script) as upstream,
                staged(at(upstream.url, "p/a")) as stage,
            ):
                raw = request("POST", "/v1/chat/completions", said(stream=stream))
                _, writer = await asyncio.open_connection("127.0.0.1", stage.proxy.port)
                writer.write(raw)
                asked = await upstream.first_asked()
                writer.close()
                await asked.left.wait()

                told = await stage.recorder.request()
                assert told.left
                assert [attempt.outcome for attempt in told.attempts] == ["left"]
                discreet(stage)

    run(test)


def test_a_client_may_leave_while_the_provider_is_still_being_reached() -> None:
    [fault] = [f for f in FAULTS if f.name == "a handshake that does not begin"]

    async def test() -> None:
        async with (
            failing(fault, False) as (url, upstream),
            staged(at(url, "p/a")) as stage,
        ):
            raw = request("POST", "/v1/chat/completions", said())
            _, writer = await asyncio.open_connection("127.0.0.1", stage.proxy.port)
            writer.write(raw)
            await upstream.first_connected()
            writer.close()
            await upstream.left_alone()

            told = await stage.recorder.request()
            assert told.left
            assert [attempt.outcome for attempt in told.attempts] == ["left"]
            assert stage.recorder.notices == []

    run(test)
