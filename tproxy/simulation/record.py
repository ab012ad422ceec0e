"""Requests as a log tells of them. Nothing in a log is taken on trust."""

from __future__ import annotations

import heapq
import json
import math
from collections.abc import Iterable, Iterator
from typing import TypeVar

import attrs

from tproxy.core.events import Attempt
from tproxy.core.model import Kind

_KINDS = {
    "/image": Kind.IMAGE,
    "/images/generations": Kind.IMAGE,
    "/embeddings": Kind.EMBEDDING,
}
_REFUSED = (429, 503)
_LATEST = 1e11  # seconds since the epoch, of thousands of years
_LONGEST = 1e7  # seconds that a request takes
_MOST_TOKENS = 1 << 53
_AHEAD = 20_000  # lines looked at before the earliest of them is taken

T = TypeVar("T")


@attrs.frozen
class Record:
    """One request. `began` is in seconds since the epoch.

    `asked` is the name that the client called, "" where it named none. `tokens` are
    those of prompt and completion; None where nobody answered or nobody counted.
    """

    id: str
    began: float
    seconds: float
    client: str | None
    kind: Kind
    asked: str
    model: str | None  # that answered
    stream: bool
    tokens: tuple[int, int] | None
    attempts: tuple[Attempt, ...]


@attrs.define
class Lines:
    """What the lines of a log were."""

    replayed: int = 0
    unasked: int = 0  # requests that asked no model, or none that is told
    other: int = 0  # not of requests
    unreadable: int = 0
    late: int = 0  # among the replayed, so far from their place that they were moved


def read(log: Iterable[bytes], lines: Lines) -> Iterator[Record]:
    """The requests in a log that asked for a model, in the order in which they began.

    A log tells of requests as they end, so it is nearly sorted. Memory is bounded: of
    those that are further away from their place the beginning is moved.
    """
    waiting: list[tuple[float, int, Record]] = []
    latest = -math.inf

    def earliest(entry: tuple[float, int, Record]) -> Record:
        nonlocal latest
        began, _, record = entry
        lines.replayed += 1
        if began < latest:
            lines.late += 1
            return attrs.evolve(record, began=latest)
        latest = began
        return record

    for number, line in enumerate(log):
        record = _read(line, lines)
        if record is None:
            continue
        entry = (record.began, number, record)
        if len(waiting) < _AHEAD:
            heapq.heappush(waiting, entry)
        else:
            yield earliest(heapq.heappushpop(waiting, entry))
    while waiting:
        yield earliest(heapq.heappop(waiting))


class _Wrong(Exception):
    """This is no line of ours."""


def _read(line: bytes, lines: Lines) -> Record | None:
    try:
        said = json.loads(line)
        if not isinstance(said, dict):
            raise _Wrong
        if said.get("message") != "request":
            lines.other += 1
            return None
        record = _record(said)
    except (ValueError, RecursionError, _Wrong):
        lines.unreadable += 1
        return None
    if record is None:
        lines.unasked += 1
    return record


def _record(said: dict[str, object]) -> Record | None:
    """The request, if it asked for a model."""
    attempts = tuple(_attempt(each) for each in _get(said, "attempts", list) or [])
    model = _get(said, "model", str)
    status = _need(said, "status", int)
    seconds = _number(said, "seconds", _LONGEST)
    began = _number(said, "time", _LATEST) - seconds
    asked = _asked(said, model, attempts)
    # Refused without having asked anybody, it was at fault, or all was spent.
    if asked is None or not (model or attempts or status in _REFUSED):
        return None
    tokens = _tokens(said, "prompt_tokens"), _tokens(said, "completion_tokens")
    path = _need(said, "route", str).removeprefix("/v1").rstrip("/")
    return Record(
        id=_need(said, "request_id", str),
        began=began,
        seconds=seconds,
        client=_get(said, "client", str),
        kind=_KINDS.get(path, Kind.CHAT),
        asked=asked,
        model=model,
        stream=_get(said, "stream", bool) or False,
        tokens=tokens if any(tokens) else None,
        attempts=attempts,
    )


def _asked(
    said: dict[str, object], model: str | None, attempts: tuple[Attempt, ...]
) -> str | None:
    """What the client called, if the line tells; else a guess from what came of it.

    That is the category in the reason, or the model that answered, or was tried first.
    """
    asked = _get(said, "asked", str)
    if asked is not None:
        return asked
    reason = _get(said, "reason", str) or ""
    how, *_ = reason.split("; ")
    if how.startswith("category "):
        return how.removeprefix("category ")
    if how == "image model":
        return ""
    if attempts and (model is None or how.startswith("fallback ")):
        return attempts[0].model
    return model


def _attempt(said: object) -> Attempt:
    if not isinstance(said, dict):
        raise _Wrong
    return Attempt(
        model=_need(said, "model", str),
        provider="",
        outcome=_need(said, "outcome", str),
        seconds=_number(said, "seconds", _LONGEST),
    )


def _get(said: dict[str, object], name: str, kind: type[T]) -> T | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Wrong
    return value


def _need(said: dict[str, object], name: str, kind: type[T]) -> T:
    value = _get(said, name, kind)
    if value is None:
        raise _Wrong
    return value


def _number(said: dict[str, object], name: str, most: float) -> float:
    value = said.get(name)
    if isinstance(value, int | float) and 0 <= value < most:
        return float(value)
    raise _Wrong


def _tokens(said: dict[str, object], name: str) -> int:
    value = _get(said, name, int) or 0
    if 0 <= value < _MOST_TOKENS:
        return value
    raise _Wrong
