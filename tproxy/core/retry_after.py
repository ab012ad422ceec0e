"""How long a provider asks us to wait, in its headers or its words.

None where nothing usable is said; zero and less are not usable. No clock is needed: a
date is read against the reply's own `Date`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0  # seconds; whoever asks for more means a day, or milliseconds
_READ = 8_000  # characters

_UNIT = r"(?:milliseconds?|ms|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})(?![a-z])", re.IGNORECASE)
_SPAN = rf"(?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])(?:,|\s|and\b)*)+"
# "Please try again in 1m7.66s", "wait 46 seconds", `"retryDelay": "48s"`
_WORDS = re.compile(rf"(?:try again|retry|wait)\D{{0,24}}?({_SPAN})", re.IGNORECASE)
# Hugging Face, while a model is loading: `"estimated_time": 20.0`
_ESTIMATE = re.compile(r"estimated_time\W{1,4}(\d{1,9}(?:\.\d+)?)")
# OpenRouter, within the body: `"X-RateLimit-Reset": "1741305600000"`
_RESET = re.compile(r"X-RateLimit-Reset\W{1,5}(\d{13})\b", re.IGNORECASE)


def from_headers(headers: Mapping[str, str]) -> float | None:
    """Seconds, from `retry-after-ms` or `Retry-After` (RFC 9110, 10.2.3)."""
    exact = _number(headers.get("retry-after-ms"))
    if exact is not None and exact > 0:
        return _usable(exact / 1000)
    said = headers.get("retry-after")
    seconds = _number(said)
    if seconds is None:
        until, now = _date(said), _date(headers.get("date"))
        if until is not None and now is not None:
            seconds = (until - now).total_seconds()
    return _usable(seconds)


def from_words(text: str) -> float | None:
    """Seconds, from a message such as "Please try again in 1m7.66s."."""
    found = _WORDS.search(text[:_READ])
    return None if found is None else _usable(_seconds(found[1]))


def from_body(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds, from what providers put beside the message."""
    text = text[:_READ]
    estimate = _ESTIMATE.search(text)
    if estimate is not None:
        return _usable(float(estimate[1]))
    reset, now = _RESET.search(text), _date(headers.get("date"))
    if reset is not None and now is not None:
        until = datetime.fromtimestamp(int(reset[1]) / 1000, UTC)
        return _usable((until - now).total_seconds())
    return from_words(text)


def from_resets(headers: Mapping[str, str]) -> float | None:
    """Seconds until all has room again that has none left, by OpenAI's headers."""
    waits = [
        _seconds(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
    ]
    return _usable(max(waits, default=None))


def _usable(seconds: float | None) -> float | None:
    return min(seconds, LONGEST) if seconds is not None and seconds > 0 else None


def _seconds(span: str) -> float:
    """The sum of a span such as "1h2m3.5s" or "2 minutes and 5 seconds"."""
    return sum(
        float(number) * _length(unit.lower()) for number, unit in _PART.findall(span)
    )


def _length(unit: str) -> float:
    if unit.startswith(("ms", "mil")):
        return 0.001
    return {"h": 3600.0, "m": 60.0, "s": 1.0}[unit[0]]


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*-?\d{1,15}(\.\d{1,9})?\s*", text):
        return None
    return float(text)


def _date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text) if text else None
    except (ValueError, OverflowError):
        return None
    return date if date is not None and date.tzinfo is not None else None
