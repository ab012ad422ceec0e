"""Limits of requests to the pools that own them."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

from tproxy.core.quota import DAY, HOUR, MINUTE, Kind, Pool, Window
from tproxy.settings import schema
from tproxy.settings.report import Report, Where, near, printable

UTC = "UTC"


def pool(name: str, said: schema.Access, where: Where, report: Report) -> Pool:
    """The pool `name` with the windows that `said` declares; maybe none."""
    zone = _zone(said, where, report)
    windows = []
    if said.requests_per_minute is not None:
        windows.append(Window(MINUTE, said.requests_per_minute))
    if said.requests_per_hour is not None:
        windows.append(Window(HOUR, said.requests_per_hour))
    if said.requests_per_day is not None:
        windows.append(Window(DAY, said.requests_per_day, Kind.CALENDAR, zone))
    return Pool(name, tuple(windows))


def _zone(said: schema.Access, where: Where, report: Report) -> str:
    place = (*where, "resets")
    if said.resets is None:
        return UTC
    if said.requests_per_day is None:
        problem = "there is no requests_per_day here that it could reset"
        report.fault(place, problem)
        return UTC
    try:
        ZoneInfo(said.resets)
    except (KeyError, OSError, ValueError):
        problem = f"unknown zone '{printable(said.resets)}'"
        hint = near(said.resets, available_timezones()) or "such as Europe/Berlin"
        report.fault(place, problem, hint)
        return UTC
    return said.resets
