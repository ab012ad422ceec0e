"""What a client reads of an answer that broke: all, or less, and nothing twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dialect import DONE, error_event, event, stream
from tests.fakes import Script
from tests.relay.broken import LOST, ask, breaks, chunks, rig, text
from tests.relay.rig import SSE, Rig
from tproxy.core.model import Prefill
from tproxy.core.upstream import Broken

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


@pytest.mark.parametrize("by", [LOST, error_event("no more")])
@pytest.mark.parametrize("after", ["Once", " upon"])
def test_what_has_ended_is_not_gone_on_with_though_its_end_waits(
    by: bytes | Broken, after: str
) -> None:
    """The reason to finish has come, and is told at the end only where it is wished."""
    ended = Script([event(after, "stop"), by], headers=SSE)
    first = [ended] if after == "Once" else [breaks("Once"), ended]
    stages = [*first, Script(stream(" a time"), headers=SSE)]

    seen = ask(rig(*stages, normalise=True))

    assert text(seen) == ("Once" if after == "Once" else "Once upon")
    assert "error" in chunks(seen)[-1]
