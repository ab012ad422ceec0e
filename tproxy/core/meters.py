"""What the headers of a reply tell of quotas: how much is left, and until when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

from tproxy.core.budget import Budget, Unit
from tproxy.core.leases import Heard
from tproxy.core.windows import HOUR, Window

# Windows that are told of fill up all the time, rather than at their ends alone. Who
# hears that nothing is left of a day asks again before it is over, and hears better.
_LONGEST = HOUR
_MOST_DIGITS = 15

_AMOUNT = r"[0-9]{1,15}(?:\.[0-9]{0,12})?"
_NUMBER = re.compile(_AMOUNT).fullmatch
_EPOCH = 1e9  # a smaller number is a span in seconds, from 1e11 on it is milliseconds
# As Go spells it: "6m0s", "7.66s", "12ms", "1h2m3s"
_LENGTHS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "\xb5s": 1e-6}
_UNIT = r"(?:ms|\xb5s|[dhms])"
_SPAN = re.compile(rf"(?:{_AMOUNT}{_UNIT})+").fullmatch
_PARTS = re.compile(rf"({_AMOUNT})({_UNIT})").findall


@attrs.frozen
class Meter:
    """Headers, in lower case, that tell of one limit.

    `left` is how much of it is, `limit` how much there is in all, `reset` when that is
    free again. The last two may be missing.
    """

    unit: Unit
    window: Window
    left: str
    limit: str = ""
    reset: str = ""


@attrs.frozen
class Metered:
    """A budget, and what tells of its limits. Without one of `names` nothing does."""

    budget: Budget
    meters: tuple[Meter, ...]
    names: frozenset[str] = attrs.field(init=False, eq=False)

    @names.default
    def _telling(self) -> frozenset[str]:
        return frozenset(meter.left for meter in self.meters)


def read(
    headers: Mapping[str, str], meters: Iterable[Meter], wall: float
) -> tuple[Heard, ...]:
    """What they say that makes sense, at the moment `wall` since the epoch.

    A limit of 0 or -1 means that none is known, and 0 left of an unknown one as little.
    Where nothing is said of a reset, all is free again a window from now.
    """
    heard = []
    for meter in meters:
        left = _count(headers.get(meter.left))
        amount = headers.get(meter.limit)
        limit = left if amount is None else _count(amount)
        if left is None or not limit or left > limit:
            continue
        longest = min(meter.window.seconds, _LONGEST)
        wait = _seconds(headers.get(meter.reset, ""), wall)
        wait = longest if wait is None else min(max(wait, 0.0), longest)
        heard.append(Heard(meter.unit, meter.window, left, wait))
    return tuple(heard)


def _count(text: str | None) -> int | None:
    if text is None or len(text) > _MOST_DIGITS or not text.isdecimal():
        return None
    return int(text)


def _seconds(text: str, wall: float) -> float | None:
    """From now on, however it is spelled: a span or a moment."""
    if not text:
        return None
    if _SPAN(text):
        seconds = 0.0
        for number, unit in _PARTS(text):
            seconds += float(number) * _LENGTHS[unit]
        return seconds
    if _NUMBER(text):
        value = float(text)
        if value < _EPOCH:
            return value
        return value / (1000 if value >= 1e11 else 1) - wall
    try:
        moment = datetime.fromisoformat(text)  # RFC 3339
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp() - wall
