"""Every split of every message is read as the message is, the malformed ones too.

Without a network: `HeadReader` and the body's reader, used as a connection uses them.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.serving import chunked, get, post
from tests.server.smuggling import DOUBTFUL
from tests.server.test_strictness import MALFORMED
from tproxy.core.errors import ProxyError
from tproxy.server import body as bodies
from tproxy.server.head import HeadReader
from tproxy.server.limits import Limits

SHORT = 400  # bytes of which every split in two is tried
LIMITS = Limits(body_bytes=100_000)
PIPELINED = post(b"0123456789", "X-A: b \t") + chunked(b"ab", b"c") + get("/end")
MESSAGES = {**MALFORMED, **DOUBTFUL, "three requests": PIPELINED}

Read = tuple[object, ...]


def read(pieces: list[bytes]) -> list[Read]:
    """The requests in what comes in `pieces`, up to the first that is refused."""
    found: list[Read] = []
    reader, body, taken, rest = HeadReader(LIMITS), None, b"", b""
    asked: Read = ()
    for piece in pieces:
        rest += piece
        while rest:
            try:
                if body is None:
                    head = reader.read(rest)
                    rest = b""
                    if head is None:
                        break
                    start, rest = head
                    asked = (*start.start_line, *start.headers.get_all())
                    body, taken, rest = bodies.begin(start, LIMITS, rest)
                else:
                    more, rest = body.take(rest)
                    taken += more
            except ProxyError as error:
                return [*found, (type(error).__name__,)]
            if body is None or body.complete:
                found.append((*asked, taken))
                body = None
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in itertools.pairwise(ends)]


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_every_split_in_two_reads_the_same(message: bytes) -> None:
    whole = read([message])

    for place in range(1, min(len(message), SHORT)):
        assert read([message[:place], message[place:]]) == whole
    if len(message) < SHORT:
        assert read([message[i : i + 1] for i in range(len(message))]) == whole


@given(
    st.lists(st.sampled_from(sorted(MESSAGES)), min_size=1, max_size=4),
    st.lists(st.integers(0, 1 << 20), max_size=12),
)
def test_any_split_of_any_pipeline_reads_the_same(
    names: list[str], places: list[int]
) -> None:
    message = b"".join(MESSAGES[name] for name in names)

    assert read(cut(message, places)) == read([message])


@given(
    st.sampled_from(sorted(MESSAGES)),
    st.integers(0, 1 << 20),
    st.binary(max_size=6),
    st.lists(st.integers(0, 1 << 20), max_size=6),
)
def test_any_split_of_a_damaged_message_reads_the_same(
    name: str, where: int, damage: bytes, places: list[int]
) -> None:
    message = MESSAGES[name]
    where %= len(message)
    message = message[:where] + damage + message[where + len(damage) :]

    assert read(cut(message, places)) == read([message])


def test_three_requests_are_three() -> None:
    [sized, in_chunks, end] = read([PIPELINED])

    assert (sized[0], sized[-1]) == ("POST", b"0123456789")
    assert (in_chunks[0], in_chunks[-1]) == ("POST", b"abc")
    assert end[:3] == ("GET", "/end", "HTTP/1.1")
