"""What any engine behind the Transport port does, Tornado's own and ours."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.transport.scripted import (
    OK,
    PATIENT,
    STREAM,
    Visit,
    answers,
    ask,
    provider,
    reads,
    run,
    upstream,
)
from tproxy.core import failures
from tproxy.core.failures import Failure
from tproxy.core.model import Patience
from tproxy.core.upstream import Broken, Transport, UpstreamHead
from tproxy.transport.pooled import PooledTransport
from tproxy.transport.tornado_client import TornadoTransport


def _stand_in() -> PooledTransport:
    """Ours, with Tornado's simple client in the place of our engine."""
    return PooledTransport(client=SimpleAsyncHTTPClient(force_instance=True))


Make = Callable[[], Transport]
MAKES: dict[str, Make] = {
    "tornado": TornadoTransport,
    "pooled": PooledTransport,
    "stand-in": _stand_in,
}
each = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES)
with_limits = pytest.mark.parametrize("make", [TornadoTransport, PooledTransport])
# Tornado's waits for a head for as long as for both together.
_NO_HEAD = Patience(connect=0.4, first_byte=0.1, silence=9.0)


async def exchange(make: Make, reply: bytes) -> tuple[UpstreamHead, bytes]:
    """What one request gets where the provider says `reply` and closes."""

    async def script(visit: Visit) -> None:
        await visit.request()
        await visit.send(reply)

    async with provider(script) as there:
        transport = make()
        async with transport.open(ask(there.url), upstream(), PATIENT) as got:
            body = b"".join([data async for data in reads(got)])
            head = got.head
        close(transport)
        return head, body


def close(transport: Transport) -> None:
    if isinstance(transport, PooledTransport):
        transport.close()


async def row(make: Make, url: str, patience: Patience = PATIENT) -> Failure:
    """How a request breaks."""
    transport = make()
    try:
        async with transport.open(ask(url), upstream(), patience) as reply:
            async for _ in reads(reply):
                pass
    except Broken as broken:
        return broken.failure
    finally:
        close(transport)
    raise AssertionError("nothing broke")


@each
def test_status_and_headers_are_told(loop: str, make: Make) -> None:
    reply = b"HTTP/1.1 429 Slow\r\nX-One: 1\r\nX-TWO: a\r\nx-two: b\r\n"

    head, body = run(loop, exchange(make, reply + b"Content-Length: 5\r\n\r\nwait!"))

    assert head.status == 429
    assert head.headers["x-one"] == "1"
    assert head.headers["x-two"].replace(" ", "") == "a,b"
    assert body == b"wait!"


@each
@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (OK, b"ok"),
        (STREAM + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (STREAM + b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.0 200 OK\r\n\r\nold", b"old"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, b"ok"),
    ],
)
def test_a_body_is_whole(loop: str, make: Make, reply: bytes, said: bytes) -> None:
    _, body = run(loop, exchange(make, reply))

    assert body == said


@each
def test_the_request_arrives_as_it_was_asked(loop: str, make: Make) -> None:
    got: list[bytes] = []

    async def script(visit: Visit) -> None:
        got.append(await visit.request())
        await visit.send(OK)

    async def main() -> None:
        async with provider(script) as there:
            transport = make()
            request = ask(there.url + "/v1/chat?x=%20y", b'{"a": 1}')
            async with transport.open(request, upstream(), PATIENT) as reply:
                assert [data async for data in reads(reply)] == [b"ok"]
            close(transport)

    run(loop, main())

    head, _, body = got[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat?x=%20y HTTP/1.1\r\n")
    assert head.count(b"\r\nHost: 127.0.0.1:") == 1
    assert b"x-test: yes" in head.lower()
    assert b"content-length: 8" in head.lower()
    assert body == b'{"a": 1}'


@each
@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        STREAM + b"9\r\nhalf",
        STREAM + b"4\r\nhalf\r\n",
    ],
)
def test_an_early_end_is_told(loop: str, make: Make, reply: bytes) -> None:
    with pytest.raises(Broken) as broken:
        run(loop, exchange(make, reply))

    assert broken.value.failure is failures.EARLY_END


@each
@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200"])
def test_a_reply_without_head_is_lost(loop: str, make: Make, reply: bytes) -> None:
    with pytest.raises(Broken) as broken:
        run(loop, exchange(make, reply))

    assert broken.value.failure is failures.LOST


@with_limits
def test_a_closed_port_is_unreachable(loop: str, make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    found = run(loop, row(make, f"http://127.0.0.1:{port}"))

    assert found is failures.UNREACHABLE


@with_limits
@pytest.mark.parametrize(
    ("reply", "patience", "expected"),
    [
        (b"", _NO_HEAD, failures.FIRST_BYTE),
        (b"HTTP/1.1 200 OK\r\n", _NO_HEAD, failures.FIRST_BYTE),
        (STREAM + b"1\r\na\r\n", Patience(9.0, 9.0, silence=0.1), failures.SILENCE),
    ],
)
def test_a_silent_provider_is_left(
    loop: str, make: Make, reply: bytes, patience: Patience, expected: Failure
) -> None:
    async def main() -> None:
        async with provider(answers(reply)) as there:
            assert await row(make, there.url, patience) is expected
            await there.visits[0].gone.wait()

    # Tornado's client leaves the loop with an error that nobody fetches.
    run(loop, main(), quietly=make is not TornadoTransport)


@with_limits
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\n", STREAM + b"1\r\na\r\n"])
def test_an_answer_that_is_not_whole_in_time_is_left(
    loop: str, make: Make, sent: bytes
) -> None:
    async def main() -> None:
        async with provider(answers(sent)) as there:
            patience = Patience(connect=9.0, first_byte=9.0, silence=9.0, whole=0.1)
            assert await row(make, there.url, patience) is failures.TIMED_OUT
            await there.visits[0].gone.wait()

    run(loop, main(), quietly=make is not TornadoTransport)


@with_limits
def test_leaving_the_block_hangs_up(loop: str, make: Make) -> None:
    async def main() -> None:
        async with provider(answers(STREAM + b"1\r\na\r\n")) as there:
            transport = make()
            async with transport.open(ask(there.url), upstream(), PATIENT) as reply:
                assert await reply.read() == b"a"
            await there.visits[0].gone.wait()

    run(loop, main())
