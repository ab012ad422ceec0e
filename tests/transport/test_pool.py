"""Who gets a connection, who has to wait for one, and how many are kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import pytest

from tests.transport.scripted import (
    OK,
    PATIENT,
    STREAM,
    Provider,
    Visit,
    always,
    answers,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core import failures
from tproxy.core.model import Limits, Patience, Reach, Upstream
from tproxy.core.upstream import Broken
from tproxy.transport.pooled import PooledTransport

UPSTREAM = upstream()
ABC = (b"a", b"b", b"c")


def limited(limits: Limits) -> PooledTransport:
    return PooledTransport(reach=lambda _: Reach(limits))


async def get(
    transport: PooledTransport,
    there: Provider,
    to: Upstream | None = None,
    patience: Patience = PATIENT,
) -> bytes:
    to = UPSTREAM if to is None else to
    async with transport.open(ask(there.url), to, patience) as reply:
        return b"".join([data async for data in reads(reply)])


async def held(visit: Visit) -> None:
    """Say that the answer begins, then nothing more."""
    await visit.request()
    await visit.send(STREAM + b"1\r\na\r\n")
    await visit.left()


async def eventually(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - nothing in it can be awaited
        await asyncio.sleep(0)


def test_origins_and_settings_do_not_share_connections(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as one, provider(always(OK)) as other:
            transport = PooledTransport(reach=lambda to: Reach(limits[to.dialect]))
            for there, to in [(one, a), (other, a), (one, b), (one, a), (one, b)]:
                assert await get(transport, there, to) == b"ok"
            assert (len(one.visits), len(other.visits)) == (2, 1)
            transport.close()

    a = upstream()
    b = Upstream("", "other", a.token)
    limits = {"openai": Limits(), "other": Limits(max_conns_per_host=7)}
    run(loop, main())


def test_hardly_a_request_opens_a_connection(loop: str) -> None:
    """99 of 100 go over one that is there, with clients coming and going."""
    clients, requests = 20, 100

    async def main() -> None:
        async with provider(always(OK)) as there:
            transport = PooledTransport()

            async def ask_often(number: int) -> None:
                for turn in range(requests):
                    assert await get(transport, there) == b"ok"
                    for _ in range((number * turn) % 7):
                        await asyncio.sleep(0)

            await asyncio.gather(*[ask_often(number) for number in range(clients)])
            assert len(there.visits) <= clients * requests / 100
            transport.close()

    run(loop, main())


def test_who_waits_is_served_in_order(loop: str) -> None:
    order: list[int] = []

    async def main() -> None:
        async with provider(always(OK)) as there:
            transport = limited(Limits(max_conns_per_host=1))

            async def one(number: int) -> None:
                assert await get(transport, there) == b"ok"
                order.append(number)

            await asyncio.gather(*[one(number) for number in range(20)])
            assert len(there.visits) == 1
            transport.close()

    run(loop, main())
    assert order == list(range(20))


def test_waiting_ends_with_the_patience_for_connecting(loop: str) -> None:
    async def main() -> None:
        async with provider(held) as there:
            transport = limited(Limits(max_conns_per_host=1))
            async with transport.open(ask(there.url), UPSTREAM, PATIENT):
                with pytest.raises(Broken, match="in use") as broken:
                    await get(transport, there, patience=Patience(connect=0.05))
                assert broken.value.failure is failures.CROWDED
            assert len(there.visits) == 1

    run(loop, main())


def test_a_full_queue_refuses_at_once(loop: str) -> None:
    async def main() -> None:
        async with provider(held) as there:
            limits = Limits(max_conns_per_host=1, max_waiting_per_host=0)
            transport = limited(limits)
            async with transport.open(ask(there.url), UPSTREAM, PATIENT):
                with pytest.raises(Broken, match="queue is full"):
                    await get(transport, there)

    run(loop, main())


def test_leaving_the_queue_leaves_no_trace(loop: str) -> None:
    """The next in line gets the connection, and the one who left sends nothing."""
    asked: list[bytes] = []

    async def script(visit: Visit) -> None:
        while True:
            asked.append((await visit.request())[-1:])
            await go.wait()
            await visit.send(OK)

    async def main() -> None:
        async with provider(script) as there:
            transport = limited(Limits(max_conns_per_host=1))

            async def one(body: bytes) -> None:
                request = ask(there.url, body)
                async with transport.open(request, UPSTREAM, PATIENT) as reply:
                    assert [data async for data in reads(reply)] == [b"ok"]

            first, second, third = (asyncio.ensure_future(one(b)) for b in ABC)
            await eventually(lambda: asked == [b"a"])
            second.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await second
            go.set()
            await asyncio.gather(first, third)
            assert len(there.visits) == 1
            transport.close()

    go = asyncio.Event()
    run(loop, main())
    assert asked == [b"a", b"c"]


def test_leaving_frees_the_place(loop: str) -> None:
    async def main() -> None:
        async with provider(held) as there:
            transport = limited(Limits(max_conns_per_host=1))
            for number in (1, 2, 3):
                async with transport.open(ask(there.url), UPSTREAM, PATIENT) as reply:
                    assert await reply.read() == b"a"
                await (await there.visit(number)).gone.wait()

    run(loop, main())


def test_no_more_are_kept_than_allowed(loop: str) -> None:
    async def main() -> None:
        limits = Limits(max_idle_conns=3, max_idle_conns_per_host=2)
        transport = limited(limits)
        async with provider(script) as one, provider(script) as other:
            for there in (one, other):
                await asyncio.gather(*[get(transport, there) for _ in range(4)])
            everyone = [*one.visits, *other.visits]
            await eventually(lambda: sum(v.gone.is_set() for v in everyone) == 5)
            assert sum(v.gone.is_set() for v in other.visits) == 2
            transport.close()

    async def script(visit: Visit) -> None:
        await visit.request()
        await all_there.wait()
        await visit.send(OK)
        await visit.left()

    all_there = asyncio.Barrier(4)
    run(loop, main())


def test_an_idle_connection_is_closed_in_time(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as there:
            transport = limited(Limits(idle_conn_timeout_seconds=0.05))
            assert await get(transport, there) == b"ok"
            await there.visits[0].gone.wait()
            assert await get(transport, there) == b"ok"
            assert len(there.visits) == 2
            transport.close()

    run(loop, main())


def test_closing_the_transport_ends_everything(loop: str) -> None:
    async def main() -> None:
        async with provider(held) as there:
            transport = limited(Limits(max_conns_per_host=1))
            async with transport.open(ask(there.url), UPSTREAM, PATIENT) as reply:
                waiting = asyncio.ensure_future(get(transport, there))
                await asyncio.sleep(0)
                assert await reply.read() == b"a"
                transport.close()
                with pytest.raises(Broken, match="shuts down"):
                    await reply.read()
                with pytest.raises(Broken, match="shuts down"):
                    await waiting
            await there.visits[0].gone.wait()

    run(loop, main())


def test_reading_nothing_of_a_large_reply_frees_its_place(loop: str) -> None:
    async def main() -> None:
        async with provider(answers(STREAM + b"fffff\r\n" + b"x" * 500_000)) as there:
            transport = limited(Limits(max_conns_per_host=1))
            for number in (1, 2):
                async with transport.open(ask(there.url), UPSTREAM, PATIENT):
                    pass
                await (await there.visit(number)).gone.wait()

    run(loop, main())


def test_a_dial_given_up_before_it_began_frees_its_place(loop: str) -> None:
    """Before its task began, that is; the connection itself may have."""

    async def main() -> None:
        async with provider(always(OK)) as there:
            transport = limited(Limits(max_conns_per_host=1))
            for _ in range(3):
                opening = transport.open(ask(there.url), UPSTREAM, PATIENT).__aenter__()
                opening.send(None)  # up to where it waits; its dial has not run yet
                opening.close()
            assert await get(transport, there) == b"ok"
            *given_up, last = there.visits
            assert len(given_up) <= 1
            for visit in given_up:
                await visit.gone.wait()
            assert not last.gone.is_set()
            transport.close()

    run(loop, main())
