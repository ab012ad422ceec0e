"""A provider as an attacker: it goes on for as long as it likes, and is left."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from tests.transport.scripted import (
    PATIENT,
    SKIPPING,
    STREAM,
    Script,
    Visit,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken
from tproxy.transport.pooled import PooledTransport

OK = b"HTTP/1.1 200 OK\r\n"
GZIP = b"Content-Encoding: gzip\r\n\r\n"
MUCH = 8 * 1024 * 1024  # bytes: far more than is to be taken, and than sockets hold

_packing = zlib.compressobj(9, wbits=31)
BOMB = b"".join(_packing.compress(bytes(1_000_000)) for _ in range(40))

ENDLESS = {
    "a reason": (b"HTTP/1.1 200 ", b"y" * 1_000),
    "a header": (OK + b"X: ", b"y" * 1_000),
    "headers": (OK, b"X: y\r\n" * 200),
    "informational heads": (b"", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" * 30),
    "a chunk extension": (STREAM + b"1;", b"y" * 1_000),
    "chunk extensions": (STREAM, (b"1;" + b"y" * 500 + b"\r\na\r\n") * 2),
    "a chunk size": (STREAM, b"0" * 1_000),
    "trailers": (STREAM + b"0\r\n", b"X: y\r\n" * 200),
    "a bomb": (OK + GZIP + BOMB, b""),
    "bombs in chunks": (
        OK + b"Transfer-Encoding: chunked\r\n" + GZIP,
        b"%x\r\n%b\r\n" % (len(BOMB), BOMB),
    ),
}


async def outcome(
    script: Script, patience: Patience = PATIENT
) -> tuple[Failure | None, float, int]:
    """How it breaks, after how long, and how much of a body was read before."""
    clock, failure, got = asyncio.get_running_loop().time, None, 0
    async with provider(script) as there:
        transport = PooledTransport()
        began = clock()
        try:
            async with transport.open(ask(there.url), upstream(), patience) as reply:
                async for data in reads(reply):
                    got += len(data)
        except Broken as broken:
            failure = broken.failure
        took = clock() - began
        await there.visits[0].gone.wait()  # its connection is not kept
        transport.close()
    return failure, took, got


@pytest.mark.parametrize(("start", "more"), ENDLESS.values(), ids=ENDLESS)
def test_what_does_not_end_is_not_taken(loop: str, start: bytes, more: bytes) -> None:
    offered = 0

    async def script(visit: Visit) -> None:
        nonlocal offered
        await visit.request()
        await visit.send(start)
        while more:
            await visit.send(more)
            offered += len(more)
            assert offered < MUCH
        await visit.left()

    failure, _, got = run(loop, outcome(script))

    assert failure is failures.MALFORMED
    assert got < 2 * MUCH
    assert offered < MUCH


def drips(start: bytes, more: bytes) -> Script:
    """`start` at once, and of `more` a byte every ten seconds."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(start)
        for place in range(len(more)):
            await asyncio.sleep(10)
            await visit.send(more[place : place + 1])
        await visit.left()

    return script


@pytest.mark.parametrize(
    ("script", "failure", "seconds"),
    [
        (drips(b"", OK + b"X: " + b"y" * 100), failures.FIRST_BYTE, 30),
        (drips(OK, b"X: y\r\n" * 30), failures.FIRST_BYTE, 30),
        (drips(b"HTTP/1.1 100 Continue\r\n\r\n", OK * 9), failures.FIRST_BYTE, 30),
        (drips(STREAM, b"1\r\na\r\n" * 30), failures.TIMED_OUT, 100),
        (drips(STREAM + b"2;", b"y" * 100), failures.TIMED_OUT, 100),
        (drips(STREAM + b"0\r\nX: ", b"y" * 100), failures.TIMED_OUT, 100),
        (drips(STREAM, b""), failures.SILENCE, 15),
    ],
)
def test_a_byte_now_and_then_is_no_answer(
    script: Script, failure: Failure, seconds: float
) -> None:
    patience = Patience(connect=3, first_byte=30, silence=15, whole=100)

    found, took, _ = run(SKIPPING, outcome(script, patience))

    assert found is failure
    assert took == pytest.approx(seconds, abs=1)
