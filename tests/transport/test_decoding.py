"""Compressed replies: any split decodes the same, and a bomb does not go off."""

from __future__ import annotations

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.scripted import (
    PATIENT,
    answers,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core import failures
from tproxy.core.upstream import Broken
from tproxy.transport.decoding import Decoder
from tproxy.transport.pooled import PooledTransport

TEXT = b"".join(b"data: %d\n\n" % number for number in range(40_000))


def bare(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


CODED = {
    "gzip": ("gzip", gzip.compress(TEXT)),
    "x-gzip": ("x-gzip", gzip.compress(TEXT)),
    "members": ("gzip", gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:])),
    "zlib": ("deflate", zlib.compress(TEXT)),
    "bare": ("deflate", bare(TEXT)),
}


def decode(coding: str, pieces: list[bytes]) -> bytes:
    decoder = Decoder(coding)
    out = bytearray()
    for piece in pieces:
        decoder.feed(piece)
        while decoder.held:
            step = decoder.take()
            assert len(step) <= 65_536
            out += step
    decoder.close()
    return bytes(out)


@pytest.mark.parametrize(("coding", "data"), CODED.values(), ids=CODED)
def test_each_coding_is_read(coding: str, data: bytes) -> None:
    assert decode(coding, [data]) == TEXT
    assert decode(coding, [data[i : i + 1] for i in range(len(data))]) == TEXT


@given(st.sampled_from(sorted(CODED)), st.integers(0, 1 << 20), st.integers(0, 1 << 20))
def test_any_split_decodes_the_same(name: str, one: int, other: int) -> None:
    coding, data = CODED[name]
    a, b = sorted((one % len(data), other % len(data)))

    assert decode(coding, [data[:a], data[a:b], data[b:]]) == TEXT


@pytest.mark.parametrize(("coding", "data"), CODED.values(), ids=CODED)
def test_a_missing_end_is_told(coding: str, data: bytes) -> None:
    with pytest.raises(Broken) as broken:
        decode(coding, [data[:-9]])

    assert broken.value.failure is failures.EARLY_END


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@pytest.mark.parametrize(
    "data",
    [b"not compressed at all", gzip.compress(b"x") + b"tail", bare(b"x") + b"y"],
    ids=["plain", "gzip and more", "deflate and more"],  # gzip tells the time
)
def test_what_is_not_what_it_says_is_refused(coding: str, data: bytes) -> None:
    with pytest.raises(Broken) as broken:
        decode(coding, [data])

    assert broken.value.failure is failures.MALFORMED


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_does_not_go_off(coding: str) -> None:
    zeros = bytes(100_000_000)
    bomb = gzip.compress(zeros) if coding == "gzip" else zlib.compress(zeros)
    decoder = Decoder(coding)
    decoder.feed(bomb)
    taken = itertools.takewhile(bool, iter(decoder.take, None))

    with pytest.raises(Broken) as broken:
        sum(map(len, taken))

    assert broken.value.failure is failures.MALFORMED
    assert decoder.unfolded < 201 * len(bomb)


@pytest.mark.parametrize(("coding", "data"), CODED.values(), ids=CODED)
def test_a_reply_is_decoded_as_it_comes(loop: str, coding: str, data: bytes) -> None:
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(data)}"
    )

    async def main() -> None:
        async with provider(answers(head.encode() + b"\r\n\r\n" + data)) as there:
            transport = PooledTransport()
            async with transport.open(ask(there.url), upstream(), PATIENT) as reply:
                assert "content-encoding" not in reply.head.headers
                assert "content-length" not in reply.head.headers
                assert b"".join([data async for data in reads(reply)]) == TEXT
            transport.close()

    run(loop, main())


def test_a_coding_we_cannot_read_still_tells_its_status(loop: str) -> None:
    reply = b"HTTP/1.1 401 No\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n?"

    async def main() -> None:
        async with provider(answers(reply)) as there:
            transport = PooledTransport()
            async with transport.open(ask(there.url), upstream(), PATIENT) as got:
                assert got.head.status == 401
                with pytest.raises(Broken, match="content-encoding: br") as broken:
                    await got.read()
                assert broken.value.failure is failures.MALFORMED
            transport.close()

    run(loop, main())
