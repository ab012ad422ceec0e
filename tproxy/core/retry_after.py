"""How long a provider asks us to wait, in its headers or its words.

None where nothing usable is said; zero and less are not usable. No clock is needed: a
date is read against the reply's own `Date`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

LONGEST = 86_400.0  # seconds; whoever asks for more means a day, or milliseconds
_READ = 8_000  # characters

_UNIT = r"(?:milliseconds?|ms|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)"
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})(?![a-z])", re.IGNORECASE)
_SPAN = rf"(?:\d+(?:\.\d+)?\s*{_UNIT}(?![a-z])(?:,|\s|and\b)*)+"
# "Please try again in 1m7.66s", "wait 46 seconds", `"retryDelay": "48s"`
_WORDS = re.compile(rf"(?:try again|retry|wait)\D{{0,24}}?({_SPAN})", re.IGNORECASE)
# Hugging Face, while a model is loading: `"estimated_time": 20.0`
_ESTIMATE = re.compile(r"estimated_time\W{1,4}(\d{1,9}(?:\.\d+)?)")
# OpenRouter, within the body: `"X-RateLimit-Reset": "1741305600000"`, and, of the
# provider behind it, `"Retry-After": "12"` or `"retry_after_seconds": 12`
_RESET = re.compile(r"X-RateLimit-Reset\W{1,5}(\d{13})\b", re.IGNORECASE)
_AFTER = re.compile(
    r"retry[_-]after(?:_seconds)?\W{1,4}(\d{1,9}(?:\.\d+)?)\W", re.IGNORECASE
)
# Azure's edge: "Quota will be replenished in 12:31:24."
_CLOCK = re.compile(r"replenished in (\d\d?):(\d\d):(\d\d)")
# Limits of a day that ends at a known hour: Cloudflare's and Gemini's. What the latter
# says beside it is often shorter, and wrong.
_DAYS = (
    (re.compile(r"daily free allocation of [\d,]+ neurons"), UTC),
    (re.compile(r"quotaId\W{1,5}\w*PerDay"), ZoneInfo("America/Los_Angeles")),
)
_EPOCH = 1e9  # a smaller number is a span in seconds, from 1e11 on it is milliseconds


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
    if found is not None:
        return _usable(_seconds(found[1]))
    clock = _CLOCK.search(text[:_READ])
    if clock is None:
        return None
    hours, minutes, seconds = map(int, clock.groups())
    return _usable(3600.0 * hours + 60 * minutes + seconds)


def from_body(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds, from what providers put beside the message."""
    text = text[:_READ]
    estimate = _ESTIMATE.search(text)
    if estimate is not None:
        return _usable(float(estimate[1]))
    reset = _RESET.search(text)
    if reset is not None:
        return _until(reset[1], headers)
    after = _AFTER.search(text)
    return from_words(text) if after is None else _usable(float(after[1]))


def from_day(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds until a day is over whose limit is used up."""
    zone = next((zone for told, zone in _DAYS if told.search(text[:_READ])), None)
    now = _date(headers.get("date"))
    if zone is None or now is None:
        return None
    try:
        tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    except OverflowError:  # the provider's clock is at the end of all years
        return None
    midnight = datetime.combine(tomorrow, time(), zone)
    return _usable(midnight.timestamp() - now.timestamp())


def from_resets(headers: Mapping[str, str]) -> float | None:
    """Seconds until all has room again that has none left.

    By OpenAI's headers, which Groq and others have taken up; by Cerebras', which name
    the window and give plain seconds; by Anthropic's, which give the moment; else by
    those that speak of one limit alone.
    """
    waits = [
        _seconds(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
    ]
    waits += [
        _number(headers.get(f"x-ratelimit-reset-{kind}")) or 0.0
        for kind in ("requests-day", "tokens-day", "requests-minute", "tokens-minute")
        if headers.get(f"x-ratelimit-remaining-{kind}", "").strip() == "0"
    ]
    waits += [
        _moment(headers.get(f"anthropic-ratelimit-{kind}-reset", ""), headers)
        for kind in ("requests", "tokens", "input-tokens", "output-tokens")
        if headers.get(f"anthropic-ratelimit-{kind}-remaining", "").strip() == "0"
    ]
    if waits:
        return _usable(max(waits))
    if headers.get("x-ratelimit-remaining", "").strip() == "0":
        return _until(headers.get("x-ratelimit-reset"), headers)
    return _usable(_number(headers.get("x-ratelimit-timeremaining")))  # GitHub's


def _until(said: str | None, headers: Mapping[str, str]) -> float | None:
    """Seconds, from a span of seconds or a moment since the epoch."""
    number = _number(said)
    if number is None or number < _EPOCH:
        return _usable(number)
    now = _date(headers.get("date"))
    if now is None:
        return None
    return _usable(number / (1000 if number >= 1e11 else 1) - now.timestamp())


def _moment(said: str, headers: Mapping[str, str]) -> float:
    """Seconds until a moment as RFC 3339 spells it; 0 where it cannot be told."""
    try:
        until = datetime.fromisoformat(said.strip())
    except ValueError:
        return 0.0
    now = _date(headers.get("date"))
    if now is None or until.tzinfo is None:
        return 0.0
    return (until - now).total_seconds()


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
