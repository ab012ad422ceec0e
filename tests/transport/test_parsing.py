"""Replies as bytes: every split of each gives the same; the nasty ones are refused."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tproxy.transport import parsing
from tproxy.transport.parsing import ReplyParser

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

GOOD = {
    "sized": OK + b"Content-Length: 5\r\nX-A: b\r\nx-a: c\r\n\r\nhello",
    "chunked": CHUNKED + b"5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n",
    "upper": OK + b"TRANSFER-ENCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
    "informed": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nLink: y\r\n\r\n"
    + OK
    + b"Content-Length: 2\r\n\r\nok",
    "until close": OK + b"Content-Type: a/b\r\n\r\nto the very end",
    "old": b"HTTP/1.0 200 OK\r\n\r\nold",
    "empty": OK + b"Content-Length: 0\r\n\r\n",
    "no content": b"HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
    "unmodified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
    "close": OK + b"Connection: close\r\nContent-Length: 1\r\n\r\na",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na",
    "latin": OK + b"X: \xe9\r\nContent-Length: 1\r\n\r\na",
}
REFUSED = {
    "two lengths": OK + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "listed lengths": OK + b"Content-Length: 3, 3\r\n\r\nabc",
    "length and coding": OK
    + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding and length": OK
    + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "negative": OK + b"Content-Length: -3\r\n\r\nabc",
    "signed": OK + b"Content-Length: +3\r\n\r\nabc",
    "overflow": OK + b"Content-Length: 99999999999999999999\r\n\r\nabc",
    "no length": OK + b"Content-Length:\r\n\r\n",
    "gzip": OK + b"Transfer-Encoding: gzip\r\n\r\nabc",
    "gzip, chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "twice chunked": OK
    + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": OK + b"Transfer-Encoding: chunked, identity\r\n\r\nabc",
    "old and chunked": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    "folded": OK + b"X: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "bare LF": OK + b"X: y\nContent-Length: 0\r\n\r\n",
    "bare CR": OK + b"X: y\rContent-Length: 0\r\n\r\n",
    "NUL": OK + b"X: y\x00z\r\n\r\n",
    "space before colon": OK + b"X : y\r\n\r\n",
    "no colon": OK + b"X\r\n\r\n",
    "name not ASCII": OK + b"\xff: y\r\n\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/0.9": b"hello, this is no HTTP",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "leading zero": b"HTTP/1.1 099 OK\r\n\r\n",
    "upgraded": b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nxyz",
    "upgraded, unnamed": b"HTTP/1.1 101 x\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "chunk too long": CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
    "chunk with bare LF": CHUNKED + b"3\nabc\n0\n\n",
    "chunk overflow": CHUNKED + b"fffffffffffffffff\r\n",
    "chunk negative": CHUNKED + b"-1\r\n",
    "chunk spaced": CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "endless head": OK + b"X: " + b"y" * 70_000,
    "endless reason": b"HTTP/1.1 200 " + b"y" * 70_000,
    "endless headers": OK + b"X: y\r\n" * 12_000,
    "many headers": OK + b"".join(b"X%d: y\r\n" % n for n in range(300)) + b"\r\n",
    "endless news": b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    "endless extension": CHUNKED + b"3;" + b"x" * 70_000,
    "extensions": CHUNKED + (b"1;" + b"x" * 1000 + b"\r\na\r\n") * 100,
    "endless trailers": CHUNKED + b"0\r\n" + b"X: y\r\n" * 5_000,
    "endless trailer": CHUNKED + b"0\r\nX: " + b"y" * 70_000,
}

Outcome = tuple[int, dict[str, str], bytes, bool, bool, bool]


def read(pieces: list[bytes], *, is_head: bool = False) -> Outcome:
    """What a reply comes to: status, headers, body, complete, keep, refused."""
    parser = ReplyParser()
    parser.reset(is_head=is_head)
    body = b""
    refused = False
    for piece in pieces:
        if parser.complete or refused:
            break
        refused = parser.feed(memoryview(piece)) is not None and not parser.complete
        body += b"".join(parser.parts)
        parser.parts.clear()
    status, headers = 0, {}
    if parser.head is not None:
        status, headers = parser.head.status, dict(parser.head.headers)
    return status, headers, body, parser.complete, parser.keep, refused


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds) if a < b]


@pytest.mark.parametrize("reply", GOOD.values(), ids=GOOD)
def test_every_split_in_two_reads_the_same(reply: bytes) -> None:
    whole = read([reply])

    assert not whole[-1]
    for cut in range(1, len(reply)):
        assert read([reply[:cut], reply[cut:]]) == whole
    assert read([reply[i : i + 1] for i in range(len(reply))]) == whole


@given(st.sampled_from(sorted(GOOD)), st.lists(st.integers(0, 10_000)))
def test_any_split_reads_the_same(name: str, cuts: list[int]) -> None:
    assert read(pieces(GOOD[name], cuts)) == read([GOOD[name]])


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED)
def test_nasty_replies_are_refused(reply: bytes) -> None:
    size = 4096
    cut = [reply[i : i + size] for i in range(0, len(reply), size)]

    assert read([reply])[-1] or len(reply) > 65_536  # more than is ever read at once
    assert read(cut)[-1]
    if len(reply) < 300:
        assert read([reply[i : i + 1] for i in range(len(reply))])[-1]


@given(st.sampled_from(sorted(REFUSED)), st.lists(st.integers(0, 100_000), max_size=9))
def test_no_split_makes_a_nasty_reply_acceptable(name: str, cuts: list[int]) -> None:
    reply = REFUSED[name]
    cut = pieces(reply, [*cuts, *range(0, len(reply), 16_384)])

    assert read(cut)[-1]


@given(st.binary(max_size=300), st.lists(st.integers(0, 1000), max_size=5))
def test_whatever_comes_it_does_not_raise(noise: bytes, cuts: list[int]) -> None:
    for start in (b"", b"HTTP/1.1 ", OK, CHUNKED):
        read(pieces(start + noise, cuts))


@given(
    st.sampled_from(sorted(GOOD)),
    st.integers(0, 10_000),
    st.binary(max_size=6),
    st.lists(st.integers(0, 1000), max_size=5),
)
@example("sized", 1057, b"and more", [120])
def test_damaged_replies_read_the_same_wherever_they_are_cut(
    name: str, where: int, damage: bytes, cuts: list[int]
) -> None:
    reply = GOOD[name]
    where %= len(reply)
    reply = reply[:where] + damage + reply[where + len(damage) :]

    cut, whole = read(pieces(reply, cuts)), read([reply])

    # Not whether it is kept: what follows it may be read at once, or later.
    assert (cut[:4], cut[5]) == (whole[:4], whole[5])


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=20), st.data())
def test_chunks_come_out_as_they_went_in(
    chunks: list[bytes], data: st.DataObject
) -> None:
    reply = CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)
    reply += b"0\r\n\r\n"
    cuts = data.draw(st.lists(st.integers(0, len(reply))))

    _, _, body, complete, keep, refused = read(pieces(reply, cuts))

    assert (body, complete, keep, refused) == (b"".join(chunks), True, True, False)


@pytest.mark.parametrize(
    ("name", "complete", "keep"),
    [
        ("sized", True, True),
        ("chunked", True, True),
        ("informed", True, True),
        ("no content", True, True),
        ("unmodified", True, True),
        ("until close", False, False),
        ("old", False, False),
        ("close", True, False),
    ],
)
def test_it_knows_what_may_be_kept(name: str, complete: bool, keep: bool) -> None:
    assert read([GOOD[name]])[3:5] == (complete, keep)


def test_an_answer_to_head_has_no_body_and_is_not_kept() -> None:
    status, headers, body, complete, keep, refused = read([GOOD["sized"]], is_head=True)

    assert (status, headers["content-length"]) == (200, "5")
    assert (body, complete, keep, refused) == (b"", True, False, False)


@pytest.mark.parametrize(
    "after", [b"x", b"\x00", b"HTTP/1.1 200 OK\r\n", GOOD["sized"]]
)
def test_bytes_after_the_reply_are_noticed(after: bytes) -> None:
    reply = GOOD["sized"] + after

    assert read([reply])[2:] == (b"hello", True, False, False)


def test_small_chunks_do_not_count_as_abuse() -> None:
    chunks = b"1\r\na\r\n" * 50_000
    cut = [chunks[i : i + 65_536] for i in range(0, len(chunks), 65_536)]

    _, _, body, _, _, refused = read([CHUNKED, *cut])

    assert (len(body), refused) == (50_000, False)


def test_a_parser_reads_one_reply_after_another() -> None:
    parser = ReplyParser()
    for name in ("sized", "chunked", "informed", "no content", "empty", "upper"):
        parser.reset(is_head=False)
        assert parser.feed(memoryview(GOOD[name])) is None
        assert parser.complete
        assert parser.keep
        parser.parts.clear()


def test_names_of_headers_are_not_remembered_without_end() -> None:
    for number in range(1200):
        read([OK + b"X-%d: y\r\n\r\n" % number])

    assert len(parsing._NAMES) <= parsing._MOST_NAMES


@pytest.mark.parametrize("step", [1, 1000, 20_000, 65_536, 70_000])
@pytest.mark.parametrize(("size", "refused"), [(60_000, False), (70_000, True)])
def test_a_head_may_be_long_but_not_too_long(
    step: int, size: int, refused: bool
) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(size // 1008))
    reply = OK + headers + b"Content-Length: 0\r\n\r\n"

    cut = [reply[i : i + step] for i in range(0, len(reply), step)]

    assert read(cut)[-1] is refused
