"""Amounts that are written as text: lengths of time, and parts of a whole."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

from tproxy.core.windows import DAY, HOUR, MINUTE, MONTH, WEEK
from tproxy.settings.environment import Unparsable, duration
from tproxy.settings.report import near

SPANS: Mapping[str, float] = {
    "minute": MINUTE,
    "hour": HOUR,
    "day": DAY,
    "week": WEEK,
    "month": MONTH,
}

_SHORTEST, _LONGEST = 0.001, 366 * DAY
_PERCENT = re.compile(r"([0-9]{1,2}(?:\.[0-9]{1,9})?) ?%").fullmatch


def interval(text: str) -> float:
    """Seconds of a duration that is one.

    Raises:
        Unparsable: it is none, or nothing, or more than a year.
    """
    seconds = duration(text)
    if seconds < _SHORTEST:
        raise Unparsable("is too short", "1ms or more")
    if seconds > _LONGEST:
        raise Unparsable("is too long", "8784h, a year, or less")
    return seconds


def per(text: str) -> str:
    """`text` if it is a span that limits can be for: `minute` to `month`, or `90m`.

    Raises:
        Unparsable: it is not.
    """
    if text in SPANS:
        return text
    try:
        duration(text)
    except Unparsable:
        hint = near(text, SPANS) or f"{', '.join(SPANS)}, or such as 2s, 90m or 5h"
        raise Unparsable("is no span of time", hint) from None
    interval(text)
    return text


def part(text: str) -> Fraction:
    """`10%` as a tenth, exactly.

    Raises:
        Unparsable: it is no part, or all.
    """
    found = _PERCENT(text)
    if found is None:
        raise Unparsable("is not a part", "0% or more, and less than 100%")
    return Fraction(found.group(1)) / 100
