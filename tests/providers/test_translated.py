from __future__ import annotations

import itertools

import attrs
import pytest

from tests.values import model
from tproxy.core import failures, sse
from tproxy.core.errors import UpstreamFailed
from tproxy.core.upstream import Usage
from tproxy.providers.translated import Translated, failed

MODEL = model("a")


@attrs.define
class Echo:
    """A `Speech` that repeats data in brackets, until it hears "bad"."""

    begun: bool = False
    usage: Usage | None = None
    ended: bool = False

    def take(self, event: sse.Event) -> bytes:
        assert event.data is not None
        if event.data == b"bad":
            raise failed(failures.SERVER, MODEL, "it said bad")
        self.begun = True
        self.usage = Usage(1, len(event.data))
        self.ended = event.data == b"end"
        return b"[%b:%b]" % (event.name, event.data)

    def end(self) -> bytes:
        if not self.ended:
            raise failed(failures.EARLY_END, MODEL, "no end")
        return b"."


def read(*reads: bytes) -> tuple[bytes, Translated]:
    reader = Translated(Echo(), MODEL)
    return b"".join([*map(reader.feed, reads), reader.close()]), reader


RAW = b": ping\n\nevent: a\r\ndata: 1\r\n\r\ndata: 2\ndata: 3\n\nid: 7\n\ndata: end\n\n"


def test_events_are_translated_one_by_one() -> None:
    output, reader = read(RAW)

    assert output == b"[a:1][:2\n3][:end]."
    assert reader.failure is None
    assert (reader.begun, reader.usage) == (True, Usage(1, 3))


def test_it_is_the_same_wherever_the_network_cuts() -> None:
    whole, _ = read(RAW)

    for first, second in itertools.combinations(range(len(RAW)), 2):
        output, reader = read(RAW[:first], RAW[first:second], RAW[second:])
        assert (output, reader.failure) == (whole, None)


def test_each_event_leaves_when_it_is_whole() -> None:
    reader = Translated(Echo(), MODEL)

    assert not reader.begun
    assert reader.feed(b"data: 1\n") == b""
    assert not reader.begun
    assert reader.feed(b"\n") == b"[:1]"
    assert reader.begun


def test_the_last_blank_line_may_be_missing() -> None:
    output, reader = read(b"data: end")

    assert (output, reader.failure) == (b"[:end].", None)


def test_a_stream_without_an_end_is_a_failure() -> None:
    output, reader = read(b"data: 1\n\n")

    assert output == b"[:1]"
    assert reader.failure is not None
    assert reader.failure.failure is failures.EARLY_END


@pytest.mark.parametrize("end", [b"\n\ndata: end\n\n", b""])
def test_after_a_failure_nothing_comes(end: bytes) -> None:
    reader = Translated(Echo(), MODEL)

    assert reader.feed(b"data: 1\n\ndata: bad\n\ndata: 2" + end) == b"[:1]"
    assert reader.feed(b"data: end\n\n") == b""
    assert reader.close() == b""
    assert reader.failure is not None
    assert reader.failure.failure is failures.SERVER


def test_an_endless_event_is_a_failure() -> None:
    reader = Translated(Echo(), MODEL)
    piece = b"data: " + b"x" * (1 << 20)

    said = [reader.feed(b"data: 1\n\n"), *(reader.feed(piece) for _ in range(9))]

    assert b"".join(said) == b"[:1]"
    assert reader.failure is not None
    assert reader.failure.failure is failures.MALFORMED


def test_a_failure_names_the_model_and_keeps_its_detail_to_us() -> None:
    failure = failed(failures.EMPTY, MODEL, "no text")

    assert isinstance(failure, UpstreamFailed)
    assert failure.message == "a: the provider's answer was empty."
    assert (failure.model, failure.detail) == ("a", "no text")
