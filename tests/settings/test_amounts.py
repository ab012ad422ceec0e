import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tproxy.settings import amounts
from tproxy.settings.environment import Unparsable


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0%", Fraction(0)),
        ("10%", Fraction(1, 10)),
        ("2.5 %", Fraction(1, 40)),
        ("99.999999999%", Fraction(99_999_999_999, 100_000_000_000)),
    ],
)
def test_parts_are_exact(text: str, part: Fraction) -> None:
    assert amounts.part(text) == part


@pytest.mark.parametrize("text", ["", "%", "10", "100%", "-1%", "1e1%", "٣%", "10%%"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(Unparsable, match="is not a part"):
        amounts.part(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1ms", 0.001), ("2s", 2), ("1h30m", 5_400), ("8784h", 31622400)],
)
def test_intervals(text: str, seconds: float) -> None:
    assert amounts.interval(text) == seconds


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0s", "too short"),
        ("0.5ms", "too short"),
        ("8785h", "too long"),
        ("2", "is not"),
    ],
)
def test_what_is_no_interval(text: str, problem: str) -> None:
    with pytest.raises(Unparsable, match=problem):
        amounts.interval(text)


@given(text=st.text() | st.from_regex(r"[0-9.]+(ms|s|m|h|%|d)", fullmatch=True))
def test_any_text_is_an_amount_or_said_not_to_be(text: str) -> None:
    for parse in (amounts.interval, amounts.per, amounts.part):
        with contextlib.suppress(Unparsable):
            found = parse(text)
            assert found == text or 0 <= float(found) < 32_000_000
