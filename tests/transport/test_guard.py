"""Where strangers' URLs may lead: nowhere but to public addresses, and not for ever."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transport.scripted import (
    OK,
    PATIENT,
    Provider,
    always,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core import failures
from tproxy.core.model import Patience, Reach, Tls
from tproxy.core.upstream import Broken
from tproxy.transport import guard
from tproxy.transport.guard import Outside, is_public

PUBLIC = """
    1.1.1.1 8.8.8.8 93.184.216.34 100.63.255.255 100.128.0.0 126.255.255.255
    128.0.0.1 169.253.0.1 172.15.0.1 172.32.0.1 192.0.1.1 192.167.1.1 198.17.0.1
    198.20.0.1 223.255.255.255 2606:4700::1111 2001:4860:4860::8888 2a00:1450::1
    2001:200::1 2003::1 3ffe::1
""".split()  # noqa: SIM905 - addresses read better as words
FORBIDDEN = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1
    127.1.2.3 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1
    192.0.0.192 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
    198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
    168.63.129.16
    :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:a9fe:a9fe
    64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 2001::1 2001:0:53aa::1
    2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1 5f00::1
    fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ffff::1
""".split()  # noqa: SIM905
NO_ADDRESSES = [
    "",
    "localhost",
    "127.1",
    "0x7f000001",
    "2130706433",
    "010.0.0.1",
    "::g",
]
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"


def anywhere(address: str) -> bool:
    return True


def sized(body: bytes, *lines: bytes) -> bytes:
    size = b"Content-Length: %d" % len(body)
    return b"\r\n".join([b"HTTP/1.1 200 OK", size, *lines, b"", body])


@asynccontextmanager
async def outside(**how: Any) -> AsyncIterator[Outside]:
    door = Outside(**how)
    try:
        yield door
    finally:
        door.close()


async def fetched(door: Outside, url: str, patience: Patience = PATIENT) -> bytes:
    request = attrs.evolve(ask(url, b"", "GET"), ours=False)
    async with door.open(request, upstream(), patience) as reply:
        return b"".join([data async for data in reads(reply)])


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Have every name resolve to `addresses`; the names that were asked for."""
    asked: list[str] = []

    async def getaddrinfo(
        self: object, host: str, port: int, **_: object
    ) -> list[tuple[object, ...]]:
        asked.append(host)
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                *(socket.SOCK_STREAM, 0, "", (address, port)),
            )
            for address in addresses
        ]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [*FORBIDDEN, *NO_ADDRESSES])
def test_no_other_address_is(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_is_public_in_disguise(address: Any) -> None:
    high, low = int(address) >> 16, int(address) & 0xFFFF
    for disguise in (
        f"::ffff:{address}",
        f"::{address}",
        f"64:ff9b::{high:x}:{low:x}",
        f"2002:{high:x}:{low:x}::1",
        f"2001:0:{high:x}:{low:x}::",
    ):
        assert not is_public(disguise)


@given(st.ip_addresses())
def test_what_is_public_is_global_by_the_registries(address: Any) -> None:
    if is_public(str(address)):
        assert address.is_global
        assert not address.is_multicast


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "0"),
        *("[::ffff:127.0.0.1]", "[::]"),
    ],
)
def test_this_machine_is_not_asked_however_it_is_spelled(host: str, loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as there, outside() as door:
            with pytest.raises(Broken) as broken:
                await fetched(door, f"http://{host}:{there.port}/")
            assert broken.value.failure is failures.UNRESOLVED
            assert there.visits == []

    run(loop, main())


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.1",),
        ("93.184.216.34", "127.0.0.1"),
        ("::1", "93.184.216.34"),
        ("169.254.169.254",),
    ],
)
def test_a_name_is_refused_if_any_of_its_addresses_is_not_public(
    addresses: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with outside() as door:
            with pytest.raises(Broken, match="forbidden address"):
                await fetched(door, "http://pictures.test/1.png")

    resolving(monkeypatch, *addresses)
    run("asyncio", main())


def test_the_address_that_was_judged_is_the_one_that_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judged: list[str] = []

    def permits(address: str) -> bool:
        judged.append(address)
        return True

    async def main() -> None:
        async with provider(always(OK)) as there, outside(permits=permits) as door:
            url = f"http://pictures.test:{there.port}/1.png"
            assert await fetched(door, url) == b"ok"
            assert len(there.visits) == 1

    asked = resolving(monkeypatch, "127.0.0.1")
    run("asyncio", main())

    assert (asked, judged) == (["pictures.test"], ["127.0.0.1"])


def test_each_request_is_judged_anew(loop: str) -> None:
    verdicts = [True, False]

    async def main() -> None:
        async with (
            provider(always(OK)) as there,
            outside(permits=lambda _: verdicts.pop(0)) as door,
        ):
            assert await fetched(door, there.url) == b"ok"
            with pytest.raises(Broken, match="forbidden address"):
                await fetched(door, there.url)

    run(loop, main())


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://pictures.test/", "gopher://pictures.test/"),
        *("//pictures.test/", "", "http://", "http://user@pictures.test/"),
        *("http://user:word@pictures.test/", "http://pictures.test:99999/"),
        "http://pictures.test/\r\nX-Evil: 1",
    ],
)
def test_only_the_web_is_asked_and_without_a_password(url: str, loop: str) -> None:
    async def main() -> None:
        async with outside(permits=anywhere) as door:
            with pytest.raises(Broken) as broken:
                await fetched(door, url)
        assert broken.value.failure is failures.UNREACHABLE

    run(loop, main())


def test_a_redirect_is_not_followed(loop: str) -> None:
    async def main() -> None:
        async with provider(always(OK)) as near, outside(permits=anywhere) as door:
            reply = REDIRECT % near.url.encode()
            async with provider(always(reply)) as there:
                request = ask(there.url, b"", "GET")
                async with door.open(request, upstream(), PATIENT) as head:
                    assert head.head.status == 302
            assert near.visits == []

    run(loop, main())


def test_nothing_of_the_upstream_goes_along(loop: str) -> None:
    """Neither its key, nor its headers, nor its proxy and certificates."""

    async def main() -> None:
        configured = attrs.evolve(
            upstream(Tls(ca_file="/none", client_cert="/none", client_key="/none")),
            headers=(("X-Secret", "s"),),
            reach=Reach(proxy="http://127.0.0.1:1"),
        )
        heads: list[bytes] = []

        async def script(visit: Any) -> None:
            heads.append(await visit.request())
            await visit.send(OK)

        async with provider(script) as there, outside(permits=anywhere) as door:
            request = ask(f"{there.url}/1.png?sig=1", b"", "GET")
            async with door.open(request, configured, PATIENT) as reply:
                assert await reply.read() == b"ok"
        [head] = heads
        assert head.startswith(b"GET /1.png?sig=1 HTTP/1.1\r\n")
        assert b"X-Secret" not in head
        assert b"Authorization" not in head

    run(loop, main())


@pytest.mark.parametrize(
    "reply",
    [
        sized(b"x" * 2_000),
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000,
        sized(gzip.compress(b"x" * 1_000_000), b"Content-Encoding: gzip"),
    ],
    ids=["sized", "unsized", "bomb"],
)
def test_a_body_may_not_be_larger_than_it_should(reply: bytes, loop: str) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(reply)

    async def main() -> None:
        async with (
            provider(script) as there,
            outside(permits=anywhere, largest=1_999) as door,
        ):
            with pytest.raises(Broken, match="too large"):
                await fetched(door, there.url)

    run(loop, main())


def test_a_body_of_just_that_size_is_read(loop: str) -> None:
    async def main() -> None:
        async with (
            provider(always(sized(b"x" * 2_000))) as there,
            outside(permits=anywhere, largest=2_000) as door,
        ):
            assert await fetched(door, there.url) == b"x" * 2_000

    run(loop, main())


async def says_nothing(there: Provider) -> None:
    await (await there.visit(1)).gone.wait()


@pytest.mark.parametrize(
    ("patience", "row"),
    [
        (attrs.evolve(PATIENT, first_byte=0.05), failures.FIRST_BYTE),
        (attrs.evolve(PATIENT, whole=0.05), failures.TIMED_OUT),
    ],
)
def test_silence_is_given_up_and_hung_up_on(
    patience: Patience, row: failures.Failure, loop: str
) -> None:
    async def main() -> None:
        async with (
            provider(lambda v: v.left()) as there,
            outside(permits=anywhere) as door,
        ):
            with pytest.raises(Broken) as broken:
                await fetched(door, there.url, patience)
            assert broken.value.failure is row
            await says_nothing(there)

    run(loop, main())


def test_a_picture_gets_less_patience_than_an_answer() -> None:
    endless = Patience(1e9, 1e9, 1e9, 1e9)

    assert guard._shorter(endless) == Patience(3.0, 10.0, 5.0, 30.0)
    assert guard._shorter(Patience(1, 1, 1, 1)) == Patience(1, 1, 1, 1)
