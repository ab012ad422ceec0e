"""Windows of time that limits are counted in, as arithmetic on given moments.

What each kind means is `interface.md`, "Quotas, precisely". Moments are seconds since
the Unix epoch where a window follows a wall clock, and of any steady clock elsewhere.
"""

from __future__ import annotations

import enum
import math
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import attrs

MINUTE = 60.0
HOUR = 3_600.0
DAY = 86_400.0
WEEK = 7 * DAY
MONTH = 31 * DAY  # no month is longer, so a rolling one holds any

_NAMES = {MINUTE: "minute", HOUR: "hour", DAY: "day", WEEK: "week", MONTH: "month"}
_OF_THE_CALENDAR = (DAY, WEEK, MONTH)


class Kind(enum.Enum):
    """When a window begins anew."""

    ROLLING = "rolling"  # never: no span of its length holds more than the limit
    CLOCK = "clock"  # at each multiple of its length since midnight UTC
    FIRST_USE = "first_use"  # with the first request after it has ended
    CALENDAR = "calendar"  # with each day, week (on Monday) or month in its zone

    @property
    def fixed(self) -> bool:
        """Whether a wall clock says when."""
        return self in (Kind.CLOCK, Kind.CALENDAR)


@attrs.frozen
class Window:
    """A stretch of time, `seconds` long.

    A calendar window is `DAY`, `WEEK` or `MONTH`, and as long as that is in its zone.

    Raises:
        ValueError: there is no such window.
    """

    seconds: float = attrs.field(converter=float)
    kind: Kind = Kind.ROLLING
    zone: str = "UTC"

    def __attrs_post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"a window of {self.seconds} seconds")
        if self.kind is Kind.CALENDAR and self.seconds not in _OF_THE_CALENDAR:
            raise ValueError("only days, weeks and months follow a calendar")
        if self.kind is not Kind.CALENDAR and self.zone != "UTC":
            raise ValueError("only a calendar has a zone")

    @property
    def label(self) -> str:
        return _NAMES.get(self.seconds, f"{self.seconds:g}s")

    @property
    def key(self) -> str:
        """Its name in a store; `Window.of` reads it."""
        return f"{self.kind.value}/{self.seconds!r}/{self.zone}"

    @classmethod
    def of(cls, key: str) -> Window:
        kind, seconds, zone = key.split("/", 2)
        return cls(float(seconds), Kind(kind), zone)


def bounds(window: Window, now: float) -> tuple[float, float]:
    """Start and end of the fixed window that holds the wall-clock moment `now`.

    Right through daylight-saving changes: a midnight is looked up in the zone, never
    computed by adding seconds.
    """
    seconds = window.seconds
    if seconds in _OF_THE_CALENDAR:
        return _calendar_bounds(seconds, window.zone, now)
    origin, last = (0.0, math.inf) if seconds > DAY else _midnights(now)
    number = (now - origin) // seconds
    while now < origin + number * seconds:  # by rounding
        number -= 1
    while now >= origin + (number + 1) * seconds:
        number += 1
    return origin + number * seconds, min(origin + (number + 1) * seconds, last)


def _midnights(now: float) -> tuple[float, float]:
    day = now // DAY * DAY
    return day, day + DAY


def _calendar_bounds(seconds: float, zone: str, now: float) -> tuple[float, float]:
    place: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    # Days begin with a whole second, and datetime would round up to one.
    day = datetime.fromtimestamp(math.floor(now), place).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0, tzinfo=None
    )
    if seconds == WEEK:
        day -= timedelta(days=day.weekday())
        following = day + timedelta(days=7)
    elif seconds == MONTH:
        day = day.replace(day=1)
        following = (day + timedelta(days=32)).replace(day=1)
    else:
        following = day + timedelta(days=1)
    start, end = (d.replace(tzinfo=place).timestamp() for d in (day, following))
    return start, end


def seconds_until(moment: float, now: float) -> float:
    """Seconds from `now`, 0 where it is past; added to `now` they reach `moment`."""
    wait = moment - now
    if wait <= 0:
        return 0.0
    return wait if now + wait >= moment else wait + math.ulp(max(abs(moment), abs(now)))
