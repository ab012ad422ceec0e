"""Events as JSON lines. What an event does not hold cannot leak: no prompt, no key."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted
from typing import Protocol

import attrs

from tproxy.core.events import Attempt, Event, Notice, RequestFinished
from tproxy.core.state import Clock

_MOST = 1_024  # pieces of lines that are kept, of one kind
_MILLIS = tuple(f"{number:03}" for number in range(1_000))


class Sink(Protocol):
    """Where lines go."""

    def write(self, line: str, /) -> object: ...


@attrs.define(eq=False)
class JsonLog:
    """`core.events.Observer`: one line an event, never an exception."""

    _sink: Sink
    _clock: Clock
    _second: int = attrs.field(default=-1, init=False)
    _begun: str = attrs.field(default="", init=False)  # a line of that second

    def emit(self, event: Event) -> None:
        said = _request(event) if isinstance(event, RequestFinished) else _notice(event)
        second, millis = divmod(int(self._clock.wall() * 1_000), 1_000)
        if second != self._second:
            self._second, self._begun = second, f'{{"time": {second}.'
        try:
            self._sink.write(f"{self._begun}{_MILLIS[millis]}, {said}}}\n")
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
    """Of pieces, most of which were in the lines before: those are kept."""
    code, usage, tokens, tried = event.code, event.usage, "", ""
    broke_off = code is not None and event.status < 400
    level = "warning" if event.status >= 500 or broke_off else "info"
    asked = _asked(event.client, event.method, event.route, event.status)
    answer = event.asked, event.model, event.reason, event.stream, code, event.left
    if usage is not None:
        tokens = (
            f', "prompt_tokens": {usage.prompt}'
            f', "completion_tokens": {usage.completion}'
        )
    if event.attempts:
        tried = f', "attempts": [{", ".join(map(_attempt, event.attempts))}]'
    return (
        f'"level": "{level}", "message": "request", '
        f'"request_id": {_quoted(event.request_id)}{asked}, '
        f'"seconds": {event.seconds:.4f}{_answered(*answer)}{tokens}{tried}'
    )


def _attempt(attempt: Attempt) -> str:
    candidate = _candidate(attempt.model, attempt.provider, attempt.outcome)
    detail = f', "detail": {_quoted(attempt.detail)}' if attempt.detail else ""
    return f'{candidate}, "seconds": {attempt.seconds:.4f}{detail}}}'


@lru_cache(_MOST)
def _asked(client: str | None, method: str, route: str, status: int) -> str:
    who = "null" if client is None else _quoted(client)
    what = f'"method": {_quoted(method)}, "route": {_quoted(route)}'
    return f', "client": {who}, {what}, "status": {status}'


@lru_cache(_MOST)
def _answered(
    asked: str | None,
    model: str | None,
    reason: str,
    stream: bool,
    code: str | None,
    left: bool,
) -> str:
    said = "" if asked is None else f', "asked": {_quoted(asked)}'
    if model is not None:
        said += f', "model": {_quoted(model)}, "reason": {_quoted(reason)}'
        said += f', "stream": {"true" if stream else "false"}'
    if code is not None:
        said += f', "code": {_quoted(code)}'
    return f'{said}, "left": true' if left else said


@lru_cache(_MOST)
def _candidate(model: str, provider: str, outcome: str) -> str:
    """Begins the object of an attempt."""
    return (
        f'{{"model": {_quoted(model)}, "provider": {_quoted(provider)}, '
        f'"outcome": {_quoted(outcome)}'
    )
