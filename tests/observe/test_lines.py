"""Lines on their way to a stream that others write to as well."""

from __future__ import annotations

import io
import itertools
import os
import select
import threading

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.observe.lines import Whole, pieces


@given(
    st.lists(st.text("ab", max_size=12).map(lambda line: f"{line}\n")),
    st.integers(1, 30),
)
def test_pieces_are_whole_lines_and_as_few_as_fit(lines: list[str], size: int) -> None:
    cut = list(pieces("".join(lines), size))

    assert "".join(cut) == "".join(lines)
    for piece in cut:
        assert piece.endswith("\n")
        assert len(piece) <= size or piece.count("\n") == 1
    for one, next_one in itertools.pairwise(cut):
        first = next_one.partition("\n")[0] + "\n"
        assert len(one) + len(first) > size


@pytest.mark.parametrize("text", ["", "no end", "one\nno end"])
def test_what_does_not_end_in_a_line_break_is_kept(text: str) -> None:
    assert "".join(pieces(text, 4)) == text


def test_many_lines_leave_in_pieces_that_a_pipe_takes_as_one() -> None:
    written: list[str] = []

    class Recorder(io.StringIO):
        def write(self, text: str) -> int:
            written.append(text)
            return len(text)

    Whole(Recorder()).write("a line\n" * 3_000)

    assert max(map(len, written)) <= select.PIPE_BUF
    assert len(written) == 6


@attrs.frozen
class Pipe:
    """Writes as standard error does: what it is given, in one call."""

    end: int

    def write(self, text: str) -> None:
        os.write(self.end, text.encode())

    def flush(self) -> None:
        pass


def test_lines_stay_whole_in_a_full_pipe_with_two_writers() -> None:
    read, write = os.pipe()
    batch = {letter: f"{letter * 200}\n" * 5_000 for letter in "ab"}
    writers = [
        threading.Thread(target=Whole(Pipe(write)).write, args=(text,))
        for text in batch.values()
    ]
    for writer in writers:
        writer.start()

    with os.fdopen(read) as reader:
        lines = [reader.readline() for _ in range(10_000)]

    for writer in writers:
        writer.join()
    os.close(write)
    assert set(lines) == {"a" * 200 + "\n", "b" * 200 + "\n"}
