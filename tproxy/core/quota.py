"""Quotas as declared: windows, and the pools that own them.

What a window means is `interface.md`, "Quotas, precisely". The counting itself is in
`state`, on the arithmetic of `bounds` below, so that every store counts alike.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import attrs

MINUTE = 60
HOUR = 3_600
DAY = 86_400


class Kind(enum.Enum):
    """How a window moves."""

    ROLLING = "rolling"  # no span of the length ever holds more than the limit
    CALENDAR = "calendar"  # starts anew at midnight in `zone`


@attrs.frozen
class Window:
    """At most `limit` requests within `seconds`.

    A calendar window is a day in `zone`, whatever its length in seconds: 23 or 25
    hours when clocks change.
    """

    seconds: int
    limit: int
    kind: Kind = Kind.ROLLING
    zone: str = "UTC"

    @property
    def label(self) -> str:
        return {MINUTE: "minute", HOUR: "hour", DAY: "day"}.get(
            self.seconds, f"{self.seconds}s"
        )


@attrs.frozen
class Pool:
    """A named quota. A request takes from all its windows at once, or from none.

    Counters belong to the name: the same name with other limits goes on counting.
    """

    name: str
    windows: tuple[Window, ...]


@attrs.frozen
class Room:
    """What is left in the tightest window of some pools, in requests and seconds."""

    limit: int
    remaining: int
    resets_in: float  # until all of `limit` is free again, if nobody asks meanwhile


def day_bounds(now: float, zone: str) -> tuple[float, float]:
    """Start and end of the calendar day that holds `now`, in wall-clock seconds.

    Right through daylight-saving changes: midnight is looked up in the zone, never
    computed by adding 86,400 seconds.
    """
    place: tzinfo = UTC if zone == "UTC" else ZoneInfo(zone)
    today = datetime.fromtimestamp(now, place).replace(
        hour=0, minute=0, second=0, microsecond=0, fold=0
    )
    tomorrow = (today.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=place)
    return today.timestamp(), tomorrow.timestamp()
