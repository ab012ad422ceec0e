"""Where one model goes on from another's words: nothing twice, nothing left out."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.core.seam import OPENING, Seam

SONG = "Happy birthday to you,\nHappy birthday to you,\nHappy birthday, dear Ada!"


def joined(seam: Seam, reads: Iterable[str]) -> str:
    """What comes out, all in all."""
    text = "".join([seam.feed(read) for read in reads])
    seam.close()
    return text


def at(text: str, *, echoes: bool = False) -> Seam:
    told = text.rstrip()
    return Seam(told, text[len(told) :], echoes)


@pytest.mark.parametrize(
    ("delivered", "says", "new"),
    [
        ("Once upon", " a time", " a time"),
        ("Once upon ", " a time", "a time"),
        ("One.\n", "\n\nTwo.", "\nTwo."),
        ("The cat sat on", " the mat", " the mat"),
        ("Aardvark", "A", None),  # may be the beginning of all of it
        ("Once upon", "", ""),
        ("One.\n", "", ""),
        ("One.\n\n", "\n", ""),
    ],
)
def test_what_goes_on_comes_out_without_the_blank_that_is_there(
    delivered: str, says: str, new: str | None
) -> None:
    seam = at(delivered)

    text = joined(seam, says)

    assert (None if seam.torn else text) == new


@pytest.mark.parametrize(
    ("delivered", "says"),
    [
        ("Once upon", "Once upon a time"),
        ("Once upon ", "a time"),
        ("One.\n", " Two."),
        (SONG, SONG[:OPENING] + " and so on"),
        ("1", "11"),
    ],
)
def test_who_begins_again_or_elsewhere_is_not_heard(delivered: str, says: str) -> None:
    seam = at(delivered)

    assert joined(seam, says) == ""
    assert seam.torn


@pytest.mark.parametrize(
    ("delivered", "says", "new"),
    [
        ("Once upon", "Once upon a time", " a time"),
        ("Once upon ", "Once upon a time", "a time"),
        (SONG[:23], SONG, SONG[23:]),
        ("Once upon", "Once upon", ""),
        ("Once upon\n", "Once upon", ""),
        ("Once upon", "Once", None),
        ("Once upon", "Twice upon a time", None),
        ("Once upon", " a time", None),
        ("Once upon", "", None),
    ],
)
def test_an_echo_that_is_declared_has_to_come_and_is_dropped(
    delivered: str, says: str, new: str | None
) -> None:
    seam = at(delivered, echoes=True)

    text = joined(seam, says)

    assert (None if seam.torn else text) == new


WORDS = st.text("ab \n", max_size=60) | st.just(SONG)


@given(WORDS, st.data(), st.booleans())
def test_whatever_the_text_and_the_cut_the_rest_is_exact_or_not_heard(
    text: str, data: st.DataObject, echoes: bool
) -> None:
    """Even of texts that repeat themselves, read in any pieces."""
    cut = data.draw(st.integers(0, len(text)))
    seam = at(text[:cut], echoes=echoes)
    says = text if echoes else text[len(text[:cut].rstrip()) :]
    ends = sorted(data.draw(st.lists(st.integers(0, len(says)), max_size=9)))
    reads = [says[a:b] for a, b in zip([0, *ends], [*ends, len(says)], strict=True)]

    new = joined(seam, reads)

    assert new == ("" if seam.torn else text[cut:])
    assert not (echoes and seam.torn)


@given(st.text(min_size=1), st.text())
def test_an_echo_that_is_not_declared_is_never_told(told: str, rest: str) -> None:
    seam = Seam(told, "", echoes=False)

    assert joined(seam, told + rest) == ""
    assert seam.torn
