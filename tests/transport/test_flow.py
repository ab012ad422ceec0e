"""The reader's pace is the provider's, and what comes together is read together."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from tests.transport.scripted import (
    PATIENT,
    SKIPPING,
    STREAM,
    TRUSTED,
    Visit,
    answers,
    ask,
    provider,
    reads,
    run,
    server_tls,
    upstream,
)
from tproxy.core import failures
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken, UpstreamHead
from tproxy.transport.pooled import PooledTransport

_OFFERED = 64 * 1024 * 1024
_BLOCK = bytes(range(256)) * 256


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_slow_reader_holds_the_provider_back(loop: str, secure: bool) -> None:
    """What is held stays small while far more is offered, and nothing is lost."""

    async def offers(visit: Visit) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _OFFERED)
        for _ in range(_OFFERED // len(_BLOCK)):
            await visit.send(_BLOCK)
            sent.append(len(_BLOCK))
            await asyncio.sleep(0)
        await visit.left()

    async def main() -> None:
        tls = server_tls() if secure else None
        async with provider(offers, tls=tls, host="localhost") as there:
            transport = PooledTransport()
            to = upstream(TRUSTED)
            async with transport.open(ask(there.url), to, PATIENT) as reply:
                before = -1
                while len(sent) > before:  # until it stands still for so many turns
                    before = len(sent)
                    for _ in range(200):
                        await asyncio.sleep(0)
                assert 0 < reply.held < 131_072
                assert sum(sent) < _OFFERED // 2
                got = hashlib.sha256()
                async for data in reads(reply):
                    assert len(data) < 131_072
                    got.update(data)
            assert got.digest() == expected.digest()
            transport.close()

    sent: list[int] = []
    expected = hashlib.sha256(_BLOCK * (_OFFERED // len(_BLOCK)))
    run(loop, main())


def test_a_reader_that_pauses_is_not_a_silent_provider() -> None:
    size = 4_000_000
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    async def main() -> None:
        async with provider(answers(reply)) as there:
            transport = PooledTransport()
            patience = Patience(connect=5, first_byte=10, silence=10)
            async with transport.open(ask(there.url), upstream(), patience) as got:
                await asyncio.sleep(100)
                assert sum([len(data) async for data in reads(got)]) == size
            transport.close()

    run(SKIPPING, main())


def test_chunks_that_arrive_together_are_one_read(loop: str) -> None:
    chunks = [b"data: %d\n\n" % number for number in range(100)]
    reply = STREAM + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)

    async def main() -> None:
        async with provider(answers(reply + b"0\r\n\r\n")) as there:
            transport = PooledTransport()
            async with transport.open(ask(there.url), upstream(), PATIENT) as got:
                assert [data async for data in reads(got)] == [b"".join(chunks)]
            transport.close()

    run(loop, main())


def test_what_came_before_a_fault_is_read_before_it(loop: str) -> None:
    async def main() -> None:
        async with provider(answers(STREAM + b"1\r\na\r\nzz\r\n")) as there:
            transport = PooledTransport()
            async with transport.open(ask(there.url), upstream(), PATIENT) as got:
                assert await got.read() == b"a"
                with pytest.raises(Broken) as broken:
                    await got.read()
            assert broken.value.failure is failures.MALFORMED

    run(loop, main())


def test_reads_come_in_order_from_many_streams_at_once(loop: str) -> None:
    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(STREAM)
        for number in range(200):
            await visit.send(b"8\r\n%8d\r\n" % number)
            if number % 7 == visit.number % 7:
                await asyncio.sleep(0)
        await visit.send(b"0\r\n\r\n")
        await visit.left()

    async def main() -> None:
        async with provider(script) as there:
            transport = PooledTransport()

            async def one() -> bytes:
                async with transport.open(ask(there.url), upstream(), PATIENT) as reply:
                    return b"".join([data async for data in reads(reply)])

            expected = b"".join(b"%8d" % number for number in range(200))
            got = await asyncio.gather(*[one() for _ in range(50)])
            assert set(got) == {expected}
            transport.close()

    run(loop, main())


def test_what_a_sink_refused_is_read_by_itself_whatever_came_after() -> None:
    async def main() -> list[bytes]:
        reply = PooledTransport().open(ask("http://nobody.test"), upstream(), PATIENT)
        reply.flow = flow = Flow()
        refused: list[bytes] = []

        def sink(data: bytes) -> bool:
            refused.append(data)
            return False

        reading = asyncio.create_task(reply.read(sink))
        await asyncio.sleep(0)
        for data in (b"first", b" second", b" third"):  # before the reader wakes
            reply.on_read(data)

        assert await reading == b"first"
        assert (refused, flow.resumed) == ([b"first"], 0)
        rest = await reply.read(sink)
        assert flow.resumed == 1
        reply.on_end(None)
        return [rest, await reply.read(sink)]

    assert run("asyncio", main()) == [b" second third", b""]


def test_what_came_along_with_its_head_is_taken_at_once(loop: str) -> None:
    async def main() -> None:
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
        async with provider(answers(whole)) as there:
            transport = PooledTransport()
            async with transport.open(ask(there.url), upstream(), PATIENT) as got:
                assert got.rest() == b"hello"
                assert got.rest() is None
                assert await got.read() == b""
            transport.close()

    run(loop, main())


@pytest.mark.parametrize(
    ("coding", "end"),
    [("identity", ()), ("gzip", (None,)), ("identity", (Broken(failures.LOST, ""),))],
    ids=["not all of it", "coded", "broken off"],
)
def test_what_has_to_be_read_is_not_taken_at_once(
    coding: str, end: tuple[Broken | None, ...]
) -> None:
    async def main() -> bytes | None:
        reply = PooledTransport().open(ask("http://nobody.test"), upstream(), PATIENT)
        reply.on_head(UpstreamHead(200, {"content-encoding": coding}))
        reply.on_read(b"some")
        for error in end:
            reply.on_end(error)
        return reply.rest()

    assert run("asyncio", main()) is None


class Flow:
    """Counts how often it is told to go on."""

    def __init__(self) -> None:
        self.resumed = 0

    def resume(self) -> None:
        self.resumed += 1
