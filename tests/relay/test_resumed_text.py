"""What a client reads of an answer that broke: all, or less, and nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialect import DONE, stream
from tests.fakes import Script
from tests.relay.broken import ask, breaks, chunks, rig, text
from tests.relay.rig import SSE, Rig
from tproxy.core.model import Prefill

STORY = "Once upon a time, in Ghent,\n\nthere lived a cat.\nIt could read."
SONG = "Row, row, row your boat\nRow, row, row your boat\nGently\n"


def broken_twice(whole: str, first: int, second: int, *, echoes: bool) -> Rig:
    """Of models that say `whole`, one event a character, as they were told."""

    def rest(start: int, end: int) -> str:
        return whole[0 if echoes else len(whole[:start].rstrip()) : end]

    last = Script(stream(*rest(second, len(whole))), headers=SSE)
    return rig(
        breaks(*whole[:first]),
        [breaks(*rest(first, second)), last],
        way=Prefill.ECHOED_PREFIX if echoes else Prefill.MESSAGE,
    )


@pytest.mark.parametrize("echoes", [False, True])
def test_a_story_is_whole_wherever_it_breaks(echoes: bool) -> None:
    for cut in range(1, len(STORY)):
        seen = ask(broken_twice(STORY, cut, min(cut + 7, len(STORY)), echoes=echoes))

        assert text(seen) == STORY
        assert seen.text.count(DONE) == 1


@given(st.text("ab \n", min_size=1, max_size=80) | st.just(SONG), st.data())
def test_any_text_is_exact_or_ends_in_an_error(whole: str, data: st.DataObject) -> None:
    """Also one that repeats itself."""
    cuts = sorted(data.draw(st.integers(1, len(whole))) for _ in range(2))
    seen = ask(broken_twice(whole, *cuts, echoes=data.draw(st.booleans())))

    assert whole.startswith(text(seen))
    assert text(seen) == whole or "error" in chunks(seen)[-1]


def test_who_begins_again_unasked_is_never_heard_twice() -> None:
    for cut in range(1, len(STORY)):
        seen = ask(rig(breaks(*STORY[:cut]), Script(stream(*STORY), headers=SSE)))

        assert text(seen) == STORY[:cut]
