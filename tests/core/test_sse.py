import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core import sse
from tproxy.core.sse import MAX_EVENT, Cutter, Event

LINES = st.sampled_from(
    [b"data: {}", b"data:x", b": comment", b"event: error", b"", b"dat", b"data"]
)
STREAMS = st.builds(
    lambda lines, end: b"".join(line + end for line in lines),
    st.lists(LINES, max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(raw) + 1) for place in places), len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(edges)]


def fed(reads: list[bytes]) -> tuple[bytes, bytes]:
    cutter = Cutter()
    return b"".join(map(cutter.feed, reads)), cutter.rest()


@pytest.mark.parametrize(
    ("raw", "whole"),
    [
        (b"data: 1\n\n", b"data: 1\n\n"),
        (b"data: 1\r\n\r\n", b"data: 1\r\n\r\n"),
        (b"data: 1\r\r", b"data: 1\r\r"),
        (b"data: 1\r\n\n", b"data: 1\r\n\n"),
        (b"data: 1\n\r\n", b"data: 1\n\r\n"),
        (b"data: 1\n\ndata: 2", b"data: 1\n\n"),
        (b"data: 1\n\ndata: 2\n", b"data: 1\n\n"),
        (b"data: 1\r\n\r\ndata: 2\r\n", b"data: 1\r\n\r\n"),
        (b"\n\ndata: 1", b"\n\n"),
        (b"data: 1\n", b""),
        (b"data: 1\r\n", b""),
        (b"d", b""),
        (b"\n", b"\n"),
        (b"\r\n\ndata: 1", b"\r\n\n"),
        (b"data: 1\n\n\ndata", b"data: 1\n\n\n"),
        (b"", b""),
    ],
)
def test_events_leave_once_they_are_whole(raw: bytes, whole: bytes) -> None:
    assert fed([raw]) == (whole, raw.removeprefix(whole))
    assert fed([raw[at : at + 1] for at in range(len(raw))]) == (
        whole,
        raw.removeprefix(whole),
    )


def said(raw: bytes) -> list[bytes]:
    events = map(sse.read, sse.split(raw))
    return [event.data for event in events if event.data is not None]


@given(STREAMS, st.lists(st.integers(0, 1_000), max_size=8))
def test_bytes_come_out_as_they_went_in(raw: bytes, places: list[int]) -> None:
    whole, rest = fed(cut(raw, places))

    assert whole + rest == raw
    assert (whole, rest) == fed([raw])
    assert said(whole) == said(fed([raw])[0])


@given(
    st.lists(st.sampled_from([b"data: 1", b": x", b"event: a"]), max_size=9),
    st.sampled_from([b"\n\n", b"\r\n\r\n", b"\r\r"]),
)
def test_every_event_leaves_with_its_last_byte(lines: list[bytes], end: bytes) -> None:
    cutter = Cutter()

    for line in lines:
        assert cutter.feed(line + end[:-1]) == b""
        assert cutter.feed(end[-1:]) == line + end


@given(STREAMS)
def test_events_cut_apart_are_the_whole_again(raw: bytes) -> None:
    assert b"".join(sse.split(raw)) == raw


def test_an_event_may_hold_a_picture() -> None:
    event = b"data: " + b"A" * (MAX_EVENT - 8) + b"\n\n"
    cutter = Cutter()

    assert b"".join(map(cutter.feed, cut(event, [10, 1_000_000]))) == event
    assert not cutter.overlong


@pytest.mark.parametrize("size", [1_000_000, 100_000_000])
def test_an_endless_event_is_given_up(size: int) -> None:
    good, endless = b"data: 1\n\n", b"data: " + b"A" * (MAX_EVENT + 1)
    stream = good + endless + b"\n\ndata: 2\n\n"
    reads = [stream[at : at + size] for at in range(0, len(stream), size)]
    cutter = Cutter()

    assert b"".join(map(cutter.feed, reads)) == good
    assert cutter.overlong
    assert cutter.feed(b"data: 3\n\n") == cutter.rest() == b""


def test_many_events_in_one_read_are_no_endless_one() -> None:
    events = b"data: 1\n\n" * (MAX_EVENT // 8)

    assert fed([events]) == (events, b"")
    assert fed([b"d", events[1:]]) == (events, b"")


@pytest.mark.parametrize(
    ("raw", "event"),
    [
        (b"data: 1\n\n", Event(b"", b"1")),
        (b"data:1\r\n\r\n", Event(b"", b"1")),
        (b"data:  1\r\r", Event(b"", b" 1")),
        (b"data: {\ndata: }\n\n", Event(b"", b"{\n}")),
        (b"data\n\n", Event(b"", b"")),
        (b"event: error\ndata: 1\n\n", Event(b"error", b"1")),
        (b"id: 7\nretry: 10\ndata: 1\n\n", Event(b"", b"1")),
        (b": comment\n\n", Event(b"", None)),
        (b": comment\ndata: 1\n\n", Event(b"", b"1")),
        (b"\xef\xbb\xbfdata: 1\n\n", Event(b"", b"1")),
        (b"database: 1\n\n", Event(b"", None)),
        (b"\n\n", Event(b"", None)),
        (b"", Event(b"", None)),
    ],
)
def test_an_event_is_read_as_the_standard_says(raw: bytes, event: Event) -> None:
    assert sse.read(raw) == event


def test_what_is_encoded_is_read_again() -> None:
    assert sse.read(sse.encode(b'{"a":1}')) == Event(b"", b'{"a":1}')


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: {}\n\n", True),
        ("data: \u00e9\u20ac\U0001f407\n\n".encode(), True),
        (b"data: \xff\n\n", False),
        (b"data: \xe2\x82\n\n", False),  # a letter that is cut
        (b"data: \xed\xa0\x80\n\n", False),  # a surrogate
        (b"", True),
    ],
)
def test_an_event_is_utf8(raw: bytes, expected: bool) -> None:
    assert sse.is_text(raw) is expected


@pytest.mark.parametrize(
    "silent", [b":\n\n", b": x\r\n\r\n", b": x\n: y\n\n", b"\n", b"\r", b": x\r\r\n"]
)
def test_a_flood_of_what_says_nothing_is_one_piece(silent: bytes) -> None:
    """Looked at one by one, they would cost a second of CPU a megabyte."""
    flood, told = silent * 1_000, b": x\ndata: 1\n\n"

    assert sse.split(flood + told + flood) == [flood, told, flood]
    assert sse.read(flood) == sse.Event(b"", None)
    assert sse.read(told) == sse.Event(b"", b"1")
