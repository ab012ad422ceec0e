"""What is not exactly HTTP/1.1 is refused, and no handler hears of it.

RFC 9112, 11.2 is why: what two readers of a message understand differently hides one
request in another.
"""

from __future__ import annotations

import asyncio

import pytest
from tornado.web import RequestHandler

from tests.server.serving import Client, get, on_both_loops, post, scripted, serving
from tproxy.server.limits import Limits

OK = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

MALFORMED = {
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "one length twice": POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "one length, other case": POST + b"Content-Length: 1\r\ncontent-length: 1\r\n\r\na",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nabcde",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nabcde",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length in hexadecimal": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\nabcde",
    "a length with a space": POST + b"Content-Length: 1 0\r\n\r\nabcde",
    "no length": POST + b"Content-Length:\r\n\r\n",
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551617\r\n\r\n",
    "length and coding": POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "coding and length": POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": POST
    + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "xchunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "quoted chunked": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "two codings": POST + CHUNKED + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked in 1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n",
    "a folded header": OK + b"X: a\r\n b\r\n\r\n",
    "a header folded with a tab": OK + b"X: a\r\n\tb\r\n\r\n",
    "a fold before the first header": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "a space before the colon": OK + b"X : a\r\n\r\n",
    "a tab before the colon": OK + b"Content-Length\t: 1\r\n\r\na",
    "no colon": OK + b"X\r\n\r\n",
    "no name": OK + b": a\r\n\r\n",
    "a name in two words": OK + b"X Y: a\r\n\r\n",
    "a name beyond ASCII": OK + b"X\xe9: a\r\n\r\n",
    "a bare LF after a header": OK + b"X: a\n\r\n",
    "a bare LF after the request line": b"GET / HTTP/1.1\nHost: a\r\n\r\n",
    "bare LFs only": b"GET / HTTP/1.1\nHost: a\n\n",
    "a bare CR in a value": OK + b"X: a\rb\r\n\r\n",
    "a bare CR at a header's end": OK + b"X: a\r\r\n\r\n",
    "a bare CR in the request line": b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
    "a NUL in a value": OK + b"X: a\0b\r\n\r\n",
    "a NUL in a name": OK + b"X\0: a\r\n\r\n",
    "a NUL in the target": b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a control character": OK + b"X: \x1b[31m\r\n\r\n",
    "DEL": OK + b"X: \x7f\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": OK + b"Host: b\r\n\r\n",
    "one host twice": OK + b"host: a\r\n\r\n",
    "two hosts in 1.0": b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    "a host that is none": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "a list of hosts": b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
    "another host in the target": b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "a user in the target": b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "another scheme": b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no path": b"GET a HTTP/1.1\r\nHost: a\r\n\r\n",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tunnel": b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a fragment": b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    "a quote in the target": b'GET /" HTTP/1.1\r\nHost: a\r\n\r\n',
    "a target beyond ASCII": b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a backslash": b"GET /\\ HTTP/1.1\r\nHost: a\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
    "an unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in lower case": b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method of another protocol": b"DESCRIBE / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "HTTP/1.10": b"GET / HTTP/1.10\r\nHost: a\r\n\r\n",
    "http/1.1": b"GET / http/1.1\r\nHost: a\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two empty lines": b"\r\n\r\n" + OK + b"\r\n",
    "an oversized chunk": POST + CHUNKED + b"\r\n10000000000000000\r\n",
    "a chunk size with a sign": POST + CHUNKED + b"\r\n+1\r\na\r\n0\r\n\r\n",
    "a chunk size with a prefix": POST + CHUNKED + b"\r\n0x1\r\na\r\n0\r\n\r\n",
    "a chunk size after a space": POST + CHUNKED + b"\r\n 1\r\na\r\n0\r\n\r\n",
    "a chunk size before a space": POST + CHUNKED + b"\r\n1 \r\na\r\n0\r\n\r\n",
    "no chunk size": POST + CHUNKED + b"\r\n\r\n0\r\n\r\n",
    "a bare LF after a size": POST + CHUNKED + b"\r\n1\na\r\n0\r\n\r\n",
    "a bare CR after a size": POST + CHUNKED + b"\r\n1\ra\r\n0\r\n\r\n",
    "a bare LF after a chunk": POST + CHUNKED + b"\r\n1\r\na\n0\r\n\r\n",
    "a chunk beyond its size": POST + CHUNKED + b"\r\n1\r\nab\r\n0\r\n\r\n",
    "a chunk short of its size": POST + CHUNKED + b"\r\n3\r\na\r\n0\r\n\r\n",
    "a bare LF after the last chunk": POST + CHUNKED + b"\r\n0\n\r\n",
    "a NUL in an extension": POST + CHUNKED + b"\r\n1;a=\0\r\na\r\n0\r\n\r\n",
    "a LF in an extension": POST + CHUNKED + b"\r\n1;a\nb\r\na\r\n0\r\n\r\n",
    "a folded trailer": POST + CHUNKED + b"\r\n0\r\nX: a\r\n b\r\n\r\n",
    "a length in a trailer": POST + CHUNKED + b"\r\n0\r\nContent-Length: 1\r\n\r\n",
    "an endless extension": POST + CHUNKED + b"\r\n1;" + b"a" * 5_000,
    "extensions without end": POST
    + CHUNKED
    + b"\r\n"
    + b"1;aaaaaaaa=b\r\na\r\n" * 2_000,
    "endless trailers": POST + CHUNKED + b"\r\n0\r\n" + b"X: aaaaaaaaaa\r\n" * 400,
}


async def refused(client: Client, status: int, code: str) -> None:
    answer = await client.response()

    assert answer.status == status
    assert answer.code == code
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert await client.rest() == b""


@pytest.mark.parametrize("request_", MALFORMED.values(), ids=MALFORMED)
@on_both_loops
async def test_malformed_requests_are_refused(request_: bytes) -> None:
    seen: list[RequestHandler] = []

    async with serving(scripted(seen=seen)) as served:
        async with served.client() as client:
            client.send(request_)
            await refused(client, 400, "invalid_request")
        async with served.client() as client:  # nor when it comes byte by byte
            for i in range(min(len(request_), 300)):
                client.send(request_[i : i + 1])
                await asyncio.sleep(0)
            client.send(request_[300:])
            await refused(client, 400, "invalid_request")
    assert seen == []


@on_both_loops
async def test_what_is_hidden_behind_a_request_is_refused_after_it() -> None:
    seen: list[RequestHandler] = []

    async with serving(scripted(seen=seen)) as served, served.client() as client:
        client.send(post(b"a") + b"b" + get("/hidden"))

        assert (await client.response()).body == b"a"
        await refused(client, 400, "invalid_request")
    assert len(seen) == 1


@pytest.mark.parametrize(
    "head",
    [
        OK + b"X: " + b"a" * 32_768 + b"\r\n\r\n",
        OK + b"X: " + b"a" * 40_000,
        b"GET /" + b"a" * 40_000,
        OK + b"X: a\r\n" * 100 + b"\r\n",
    ],
)
@on_both_loops
async def test_heads_without_measure_are_refused(head: bytes) -> None:
    async with serving(scripted()) as served:
        async with served.client() as client:
            client.send(head)
            await refused(client, 431, "headers_too_large")
        async with served.client() as client:
            for i in range(0, len(head), 1_000):
                client.send(head[i : i + 1_000])
                await asyncio.sleep(0)
            await refused(client, 431, "headers_too_large")


@on_both_loops
async def test_a_head_may_be_as_large_as_the_limits() -> None:
    head = get("/", *["X: a"] * 99)
    limits = Limits(head_bytes=len(head), headers=100)

    async with serving(scripted(), limits) as served:
        assert (await served.ask(head)).status == 200


@on_both_loops
async def test_one_empty_line_before_a_request_is_no_matter() -> None:
    async with serving(scripted()) as served, served.client() as client:
        client.send(post(b"a") + b"\r\n" + post(b"b") + b"\r\n")

        assert (await client.response()).body == b"a"
        assert (await client.response()).body == b"b"


@on_both_loops
async def test_repeated_headers_are_kept_apart() -> None:
    async def tell(handler: RequestHandler) -> None:
        headers = handler.request.headers
        handler.write(f"{headers['X-A']} {headers.get_list('x-b')}")

    async with serving(scripted(tell)) as served:
        answer = await served.ask(get("/", "x-a: 1", "X-B: 2", "X-A: 3", "X-B: 4 "))

    assert answer.body == b"1,3 ['2', '4']"


@pytest.mark.parametrize("value", ["a\r\nX: b", "a\rb", "a\nb", "a\0b"])
@on_both_loops
async def test_a_handler_cannot_split_its_response(value: str) -> None:
    failures: list[ValueError] = []

    async def split(handler: RequestHandler) -> None:
        handler._headers["X-A"] = value  # past Tornado's own checks
        try:
            handler.flush()
        except ValueError as error:
            failures.append(error)
        handler.clear_header("X-A")
        handler._headers_written = False
        handler.finish(b"unhurt")

    async with serving(scripted(split)) as served:
        assert (await served.ask(get())).body == b"unhurt"
    assert len(failures) == 1
