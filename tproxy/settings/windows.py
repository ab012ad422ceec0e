"""Spans of time as written, to windows; what makes no sense together is a fault."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

from tproxy.core.windows import DAY, Kind, Window
from tproxy.settings import schema
from tproxy.settings.amounts import SPANS, interval
from tproxy.settings.report import Report, Where, near, printable

UTC = "UTC"
OF_THE_CALENDAR = ("day", "week", "month")


def usual(per: str, zone: str) -> Window:
    """The one of a span where nothing else is said: from a day on, the calendar's."""
    if per in OF_THE_CALENDAR:
        return Window(SPANS[per], Kind.CALENDAR, zone)
    return Window(_seconds(per))


def resolve(
    said: schema.Window, zone: str, where: Where, report: Report
) -> Window | None:
    """The window of a pool, in `zone` if it needs one and names none."""
    plain = usual(said.per, zone)
    kind = plain.kind if said.window is None else Kind(said.window)
    if kind is Kind.CALENDAR and plain.kind is not kind:
        hint = "per: day" if plain.seconds == DAY else "window: clock"
        problem = "only per: day, week and month follow a calendar"
        report.fault((*where, "window"), problem, hint)
        return None
    if kind is Kind.CLOCK and (plain.kind is Kind.CALENDAR or plain.seconds > DAY):
        hint = f"window: {plain.kind.value}"
        report.fault((*where, "window"), "a clock begins anew each day", hint)
        return None
    if said.resets is None:
        return Window(plain.seconds, kind, zone if kind is Kind.CALENDAR else UTC)
    place = (*where, "resets")
    if kind is Kind.CALENDAR:
        known = check_zone(said.resets, place, report)
        return Window(plain.seconds, kind, said.resets) if known else None
    problem = "only days, weeks and months of the calendar begin in a zone"
    hint = "per: day" if plain.seconds == DAY else ""
    if plain.kind is Kind.CALENDAR:
        hint = "window: calendar"
    report.fault(place, problem, hint)
    return None


def check_zone(zone: str, where: Where, report: Report) -> bool:
    """Whether there is such a zone, with a fault if not."""
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        hint = near(zone, available_timezones()) or "such as Europe/Berlin"
        report.fault(where, f"unknown zone '{printable(zone)}'", hint)
        return False
    return True


def _seconds(per: str) -> float:
    return SPANS[per] if per in SPANS else interval(per)
