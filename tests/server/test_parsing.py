"""Heads and bodies, read from every split of every message, without a network."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPInputError

from tests.server.serving import chunked, post
from tproxy.core.errors import InvalidRequest, ProxyError
from tproxy.server import headers
from tproxy.server.body import Body, ChunkedBody, SizedBody
from tproxy.server.head import Head, HeadReader
from tproxy.server.headers import ReceivedHeaders
from tproxy.server.limits import Limits

TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=12)
VALUE = st.text(st.characters(codec="latin-1"), max_size=12)


def read(*pieces: bytes) -> tuple[Head, bytes] | None:
    reader, found = HeadReader(Limits()), None
    rest = b""
    for piece in pieces:
        if found is None:
            found = reader.read(piece)
        else:
            rest += piece
    return None if found is None else (found[0], found[1] + rest)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(ends)]


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=8))
def test_headers_are_those_that_tornado_reads(fields: list[tuple[str, str]]) -> None:
    lines = "".join(f"X-{name}: {value}\r\n" for name, value in fields)
    try:
        expected = list(HTTPHeaders.parse(lines).get_all())
    except HTTPInputError:
        expected = None
    if "\n" in "".join(value for _, value in fields):
        expected = None  # to Tornado, a bare LF ends a line as well

    try:
        found = read(f"GET / HTTP/1.0\r\n{lines}\r\n".encode("latin-1"))
    except InvalidRequest:
        assert expected is None
    else:
        assert found is not None
        assert list(found[0].headers.get_all()) == expected


def test_headers_do_all_that_tornados_do() -> None:
    found = read(b"GET / HTTP/1.0\r\nA: 1\r\na: 2\r\nB: 3\r\n\r\n")
    assert found is not None
    received = found[0].headers

    assert received["A"] == received.get("a") == "1,2"
    assert received.get("c") is None
    assert received.get("c", "d") == "d"
    received.add("b", "4")
    del received["a"]
    received["D"] = "5"
    assert str(received.copy()) == "B: 3\nB: 4\nD: 5\n"
    assert vars(ReceivedHeaders({})) == vars(HTTPHeaders())
    assert len(received) == 2


def test_names_that_clients_make_up_are_not_kept_for_ever() -> None:
    for number in range(5_000):
        read(b"GET / HTTP/1.0\r\nX-%d: a\r\n\r\n" % number)

    assert len(headers.NAMES) <= 1_024
    assert headers.NAMES[b"x-a-b"] == "X-A-B"


@given(st.lists(st.integers(0), max_size=8))
def test_a_head_is_the_same_wherever_it_is_cut(places: list[int]) -> None:
    request = b"\r\n" + post(b"rest", "X-A: a\xe9", "x-a: b", path="/a?b")

    found = read(*cut(request, places))

    assert found is not None
    head, rest = found
    assert rest == b"rest"
    assert head.start_line == ("POST", "/a?b", "HTTP/1.1")
    assert head.length == 4
    assert head.headers.get_list("X-A") == ["a\u00c3\u00a9", "b"]


LINES = st.lists(
    st.sampled_from(
        [
            "Content-Length: 1",
            "content-length: 22",
            "Content-Length: 22 ",
            "Content-Length:  1",
            "Content-Length: 1x",
            f"Content-Length: {'1' * 19}",
            "Content-Length: ",
            "Transfer-Encoding: chunked",
            "X: Content-Length: 1",
            "X: a",
            "Connection: close",
        ]
    ),
    max_size=3,
)


@given(LINES, LINES)
def test_a_head_means_the_same_after_any_other(
    first: list[str], second: list[str]
) -> None:
    reader = HeadReader(Limits())
    told(reader, first)

    assert told(reader, second) == told(HeadReader(Limits()), second)


LIKE = st.lists(
    st.sampled_from(
        [
            "X: Content-Length: 1",
            "X: a",
            "Connection: close",
            "Expect: 100-continue",
            "Transfer-Encoding: chunked",
        ]
    ),
    max_size=2,
)
LENGTHS = st.lists(
    st.builds(
        "{}:{}".format,
        st.sampled_from(["Content-Length", "content-length", "CONTENT-LENGTH"]),
        st.sampled_from(
            [
                *(" 0", " 5", " 05", " 12", f" {'1' * 18}", f" {'1' * 19}"),
                *("5", "  5", " 5 ", " ", " +5", " 5,5", " 5x", " 5\r\n 5"),
                *(" 5\r\nContent-Length: 5", " 5\r\n\r\nContent-Length: 5"),
            ]
        ),
    ),
    min_size=2,
    max_size=6,
)


@given(LIKE, LENGTHS, LIKE)
def test_a_length_means_the_same_after_any_other(
    before: list[str], lengths: list[str], after: list[str]
) -> None:
    reader = HeadReader(Limits())
    for length in lengths:
        lines = [*before, length, *after]

        assert told(reader, lines) == told(HeadReader(Limits()), lines)


def test_a_head_with_any_other_byte_is_another() -> None:
    said = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 15\r\nExpect: a\r\n\r\n"
    for place, byte in itertools.product(range(len(said)), b"5a \r"):
        reader, other = HeadReader(Limits()), bytearray(said)
        reader.read(said)
        other[place] = byte

        assert meant(reader, bytes(other)) == meant(HeadReader(Limits()), bytes(other))


def told(reader: HeadReader, lines: list[str]) -> tuple[object, ...]:
    said = "".join(f"{line}\r\n" for line in ("POST / HTTP/1.1", "Host: a", *lines))
    return meant(reader, f"{said}\r\nrest".encode())


def meant(reader: HeadReader, said: bytes) -> tuple[object, ...]:
    try:
        found = reader.read(said)
    except ProxyError as error:
        return (str(error),)
    assert found is not None
    head, rest = found
    fields = tuple(head.headers.get_all())
    for name, _ in fields:
        head.headers.add(name, "changed by a handler")
    means = (head.length, head.keep_alive, head.expects_continue)
    return (head.start_line, fields, means, rest)


@pytest.mark.parametrize("name", ["Content-Length", "content-length"])
def test_a_head_said_again_is_new(name: str) -> None:
    reader = HeadReader(Limits())
    said = b"POST / HTTP/1.1\r\nHost: a\r\n%b: %d\r\nX: b\r\n\r\n"
    read = [reader.read(said % (name.encode(), length)) for length in (7, 10, 10)]
    for found in read:
        assert found is not None
        found[0].headers.add("X", "c")

    heads = [found[0] for found in read if found is not None]
    assert [head.length for head in heads] == [7, 10, 10]
    assert [head.headers["Content-Length"] for head in heads] == ["7", "10", "10"]
    assert {head.headers["X"] for head in heads} == {"b,c"}
    assert heads[0].headers.noted is heads[1].headers.noted is heads[2].headers.noted
    assert {head.start_line for head in heads} == {("POST", "/", "HTTP/1.1")}


@given(st.binary(max_size=60), st.lists(st.integers(0), max_size=4))
def test_no_bytes_break_the_reader(noise: bytes, places: list[int]) -> None:
    for request in (noise, b"GET / HTTP/1.1\r\nHost: a\r\n" + noise + b"\r\n\r\n"):
        results = []
        for pieces in ([request], cut(request, places)):
            try:
                found = read(*pieces)
            except ProxyError as error:
                results.append(str(type(error)))
            else:
                results.append(str(found and (found[0].start_line, found[1])))
        if "None" in results:  # a part: refused now or later
            continue
        assert results[0] == results[1]


def take(body: Body, pieces: list[bytes]) -> tuple[bytes, bytes]:
    taken, rest = b"", b""
    for piece in pieces:
        if body.complete:
            rest += piece
        else:
            more, rest = body.take(piece)
            taken += more
    return taken, rest


CHUNKS = st.lists(st.one_of(st.binary(min_size=1), st.just(b"\r\n\r\n")), max_size=6)


@given(CHUNKS, st.binary(), st.lists(st.integers(0), max_size=12))
def test_chunks_are_the_same_wherever_they_are_cut(
    chunks: list[bytes], rest: bytes, places: list[int]
) -> None:
    message = chunked(*chunks).partition(b"\r\n\r\n")[2]
    trailed = message[:-2] + b"X-Trailer: a\r\n\r\n"
    extended = message.replace(b"\r\n", b";a=b\r\n", 1)

    for framed in (message, trailed, extended):
        body = ChunkedBody(1_000_000)

        assert take(body, cut(framed + rest, places)) == (b"".join(chunks), rest)
        assert body.complete


@given(st.binary(min_size=1), st.binary(), st.lists(st.integers(0), max_size=6))
def test_a_sized_body_ends_where_it_was_said(
    said: bytes, rest: bytes, places: list[int]
) -> None:
    body = SizedBody(len(said))

    assert take(body, cut(said + rest, places)) == (said, rest)
    assert body.complete


@given(st.binary(max_size=60), st.lists(st.integers(0), max_size=4))
def test_no_bytes_break_the_chunks(noise: bytes, places: list[int]) -> None:
    results = []
    for pieces in ([noise], cut(noise, places)):
        try:
            results.append(str(take(ChunkedBody(1_000), pieces)))
        except InvalidRequest:
            results.append("refused")

    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("said", "stays"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n", True),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n", False),
    ],
)
def test_connections_stay_as_asked(said: bytes, stays: bool) -> None:
    found = read(said + b"\r\n")

    assert found is not None
    assert found[0].keep_alive is stays
