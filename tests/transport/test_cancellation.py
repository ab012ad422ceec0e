"""Whoever leaves, at whatever point, leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
from contextlib import AbstractAsyncContextManager

import pytest

from tests.transport.scripted import (
    OK,
    PATIENT,
    STREAM,
    Script,
    Visit,
    always,
    answers,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core.model import Limits, Reach
from tproxy.transport.pooled import PooledTransport

UPSTREAM = upstream()


async def get(transport: PooledTransport, url: str) -> bytes:
    async with transport.open(ask(url), UPSTREAM, PATIENT) as reply:
        return b"".join([data async for data in reads(reply)])


async def cancelled(task: asyncio.Task[bytes]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def _asked(visit: Visit) -> None:
    await visit.request()
    await visit.left()


@pytest.mark.parametrize(
    "script",
    [_asked, answers(b"HTTP/1.1 200"), answers(STREAM), answers(STREAM + b"1\r\na")],
    ids=["before the head", "in the head", "after the head", "in a chunk"],
)
def test_cancelling_closes_at_once_and_frees_the_place(
    loop: str, script: Script
) -> None:
    async def main() -> None:
        async with provider(script) as there:
            reach = Reach(Limits(max_conns_per_host=1))
            transport = PooledTransport(reach=lambda _: reach)
            for number in (1, 2, 3):
                task = asyncio.create_task(get(transport, there.url))
                visit = await there.visit(number)
                for _ in range(5):
                    await asyncio.sleep(0)
                await cancelled(task)
                await visit.gone.wait()

    run(loop, main())


@pytest.mark.parametrize("turns", range(12))
def test_cancelling_after_any_number_of_turns(loop: str, turns: int) -> None:
    """Resolving, connecting, just connected, sent: whichever it is by then."""
    asked: list[bytes] = []

    async def script(visit: Visit) -> None:
        while True:
            asked.append(await visit.request())
            await visit.send(OK)

    async def main() -> None:
        async with provider(script) as there:
            reach = Reach(Limits(max_conns_per_host=1))
            transport = PooledTransport(reach=lambda _: reach)
            exchange = transport.open(ask(there.url), UPSTREAM, PATIENT)
            task = asyncio.create_task(exchange.__aenter__())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await exchange.__aexit__(None, None, None)
            assert await get(transport, there.url) == b"ok"
            assert len(asked) <= 1 + exchange.sent
            transport.close()

    run(loop, main())


def test_an_exchange_knows_whether_its_request_may_have_left(loop: str) -> None:
    async def main() -> None:
        async with provider(_asked) as there:
            reach = Reach(Limits(max_conns_per_host=1))
            transport = PooledTransport(reach=lambda _: reach)
            first, second = (
                transport.open(ask(there.url), UPSTREAM, PATIENT) for _ in range(2)
            )
            tasks = [asyncio.create_task(_entered(each)) for each in (first, second)]
            await there.visit(1)
            for _ in range(10):
                await asyncio.sleep(0)
            assert (first.sent, second.sent) == (True, False)
            for task in reversed(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert (first.sent, second.sent) == (True, False)
            transport.close()

    run(loop, main())


async def _entered(exchange: AbstractAsyncContextManager[object]) -> None:
    async with exchange:
        raise AssertionError("nobody answers")


def test_timers_do_not_outlive_their_connections() -> None:
    async def main() -> None:
        running = asyncio.get_running_loop()
        async with provider(always(OK)) as there:
            transport = PooledTransport()
            await asyncio.gather(*[get(transport, there.url) for _ in range(20)])
            transport.close()
            for visit in there.visits:
                await visit.gone.wait()
            scheduled = running._scheduled  # type: ignore[attr-defined] # asyncio's own
            timers = [timer for timer in scheduled if not timer.cancelled()]
            assert len(timers) == 1  # the one of `run`

    run("asyncio", main())


def test_nothing_is_left_of_a_thousand_exchanges(loop: str) -> None:
    """Whole, left early, refused, cut off: in the end all descriptors are back."""

    replies = (OK, STREAM + b"1\r\na\r\n", STREAM + b"1\r\na\r\nnonsense")

    async def script(visit: Visit) -> None:
        while (kind := int((await visit.request())[-1:])) < len(replies):
            await visit.send(replies[kind])
        visit.reset()

    async def one(transport: PooledTransport, url: str, number: int) -> None:
        request = ask(url, str(number % 4).encode())
        with contextlib.suppress(Exception):
            async with transport.open(request, UPSTREAM, PATIENT) as reply:
                async for _ in reads(reply):
                    if number % 4 == 1:
                        break

    async def main() -> tuple[int, int]:
        async with provider(script) as there:
            transport = PooledTransport()
            await one(transport, there.url, 0)
            before = len(os.listdir("/proc/self/fd"))
            for start in range(0, 1000, 50):
                asking = [
                    one(transport, there.url, start + number) for number in range(50)
                ]
                await asyncio.gather(*asking)
            transport.close()
            for visit in there.visits:
                await visit.gone.wait()
            for _ in range(10):
                await asyncio.sleep(0)
            return before, len(os.listdir("/proc/self/fd"))

    before, after = run(loop, main())

    assert after <= before
