"""A provider that was dead is used again soon, though its models rest for minutes."""

from __future__ import annotations

import asyncio
import time

import attrs

from tests.provider import Provider
from tests.serving import chat, model, run, send, serving, settings
from tproxy.core.model import HealthCheck

EVERY = 0.25


def test_a_dead_provider_that_comes_back_is_used_within_an_interval() -> None:
    async def test() -> None:
        async with Provider() as provider:
            await provider.die()
            listing = provider.url.replace("/chat/completions", "/models")
            dead = attrs.evolve(
                model("far/a", url=provider.url, key="k"),
                check=HealthCheck(EVERY, listing),
            )
            spare = model("echo/b", priority=2)
            async with serving(settings(dead, spare)) as (proxy, recorder):

                async def answering() -> str:
                    reply = await send(proxy.port, chat())
                    assert reply.status == 200
                    return reply.headers["x-tproxy-model"]

                while not recorder.notices:
                    assert await answering() == "echo/b"
                [state] = await proxy._ports.breakers.states(["far/a"])
                assert state.resting_for > 5.0
                await provider.live()
                back = time.monotonic()
                while await answering() != "far/a":
                    pass

                assert time.monotonic() - back < EVERY + 0.5
                assert len(provider.listed) == len(provider.asked) == 1
                assert await answering() == "far/a"
                await asyncio.sleep(2 * EVERY)
                assert len(provider.listed) == 1
            assert [notice.level for notice in recorder.notices] == ["warning", "info"]

    run(test)
