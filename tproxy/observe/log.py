"""Events as JSON lines. What an event does not hold cannot leak: no prompt, no key."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Protocol

import attrs

from tproxy.core.events import Event, Notice, RequestFinished
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
        line = json.dumps({"time": round(self._clock.wall(), 3), **said}) + "\n"
        try:
            self._sink.write(line)
        except (OSError, ValueError):  # a full disk or a closed pipe stops no request
            return


def _notice(event: Notice) -> Mapping[str, object]:
    said: dict[str, object] = {"level": event.level, "message": event.message}
    for name, value in event.fields.items():
        # JSON knows no NaN and no infinity; and what we say ourselves stays.
        strange = isinstance(value, float) and not math.isfinite(value)
        said.setdefault(name, str(value) if strange else value)
    said.pop("time", None)
    return said


def _request(event: RequestFinished) -> Mapping[str, object]:
    broke_off = event.code is not None and event.status < 400
    said: dict[str, object] = {
        "level": "warning" if event.status >= 500 or broke_off else "info",
        "message": "request",
        "request_id": event.request_id,
        "client": event.client,
        "method": event.method,
        "route": event.route,
        "status": event.status,
        "seconds": round(event.seconds, 4),
    }
    if event.model is not None:
        said |= {"model": event.model, "reason": event.reason, "stream": event.stream}
    if event.code is not None:
        said["code"] = event.code
    if event.left:
        said["left"] = True
    if event.usage is not None:
        said["prompt_tokens"] = event.usage.prompt
        said["completion_tokens"] = event.usage.completion
    if event.attempts:
        said["attempts"] = [
            {
                "model": attempt.model,
                "provider": attempt.provider,
                "outcome": attempt.outcome,
                "seconds": round(attempt.seconds, 4),
                **({"detail": attempt.detail} if attempt.detail else {}),
            }
            for attempt in event.attempts
        ]
    return said
