"""Walking an adapter through a conversation without a network."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from tproxy.core.upstream import Received, Steps, UpstreamHead, UpstreamRequest

T = TypeVar("T")


def ok(body: object, **headers: str) -> Received:
    """A 2xx answer; bytes as they are, all else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Received(UpstreamHead(200, headers), data)


def walk(steps: Steps[T], *answers: Received) -> tuple[list[UpstreamRequest], T]:
    """What was asked, and what came of it; every one of `answers` is used."""
    requests = [next(steps), *(steps.send(answer) for answer in answers[:-1])]
    try:
        steps.send(answers[-1])
    except StopIteration as end:
        return requests, end.value
    raise AssertionError("more is asked than there are answers")


def sent(request: UpstreamRequest) -> Any:
    return json.loads(request.body)
