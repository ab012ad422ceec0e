"""Events as JSON lines. What an event does not hold cannot leak: no prompt, no key."""

from __future__ import annotations

import json
import math
from json.encoder import encode_basestring_ascii as _quoted
from typing import Protocol

import attrs

from tproxy.core.events import Attempt, Event, Notice, RequestFinished
from tproxy.core.state import Clock


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: str, /) -> object: ...


@attrs.frozen(eq=False)
class JsonLog:
    """`core.events.Observer`: one line an event, never an exception."""

    _sink: Sink
    _clock: Clock

    def emit(self, event: Event) -> None:
        said = _request(event) if isinstance(event, RequestFinished) else _notice(event)
        try:
            self._sink.write(f'{{"time": {self._clock.wall():.3f}, {said}}}\n')
        except (OSError, ValueError):  # a full disk or a closed pipe stops no request
            return


def _notice(event: Notice) -> str:
    said: dict[str, object] = {"level": event.level, "message": event.message}
    for name, value in event.fields.items():
        # JSON knows no NaN and no infinity; and what we say ourselves stays.
        strange = isinstance(value, float) and not math.isfinite(value)
        said.setdefault(name, str(value) if strange else value)
    said.pop("time", None)
    return json.dumps(said)[1:-1]


def _request(event: RequestFinished) -> str:
    """Member by member: a line a request is worth being written by hand."""
    broke_off = event.code is not None and event.status < 400
    level = "warning" if event.status >= 500 or broke_off else "info"
    client = "null" if event.client is None else _quoted(event.client)
    said = (
        f'"level": "{level}", "message": "request", '
        f'"request_id": {_quoted(event.request_id)}, "client": {client}, '
        f'"method": {_quoted(event.method)}, "route": {_quoted(event.route)}, '
        f'"status": {event.status}, "seconds": {event.seconds:.4f}'
    )
    if event.asked is not None:
        said += f', "asked": {_quoted(event.asked)}'
    if event.model is not None:
        stream = "true" if event.stream else "false"
        said += f', "model": {_quoted(event.model)}'
        said += f', "reason": {_quoted(event.reason)}, "stream": {stream}'
    if event.code is not None:
        said += f', "code": {_quoted(event.code)}'
    if event.left:
        said += ', "left": true'
    if event.usage is not None:
        said += f', "prompt_tokens": {event.usage.prompt}'
        said += f', "completion_tokens": {event.usage.completion}'
    if event.attempts:
        said += f', "attempts": [{", ".join(map(_attempt, event.attempts))}]'
    return said


def _attempt(attempt: Attempt) -> str:
    said = (
        f'{{"model": {_quoted(attempt.model)}, '
        f'"provider": {_quoted(attempt.provider)}, '
        f'"outcome": {_quoted(attempt.outcome)}, "seconds": {attempt.seconds:.4f}'
    )
    return said + (
        f', "detail": {_quoted(attempt.detail)}}}' if attempt.detail else "}"
    )
