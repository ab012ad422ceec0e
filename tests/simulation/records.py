"""Log lines to replay, made in one call, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.serving import client, settings
from tproxy.core.model import Model
from tproxy.settings import Settings
from tproxy.simulation.decision import Decision
from tproxy.simulation.record import Lines, read
from tproxy.simulation.replay import Replay

NOON = 1_748_779_200.0  # 2025-06-01, in UTC


def line(at: float = 0.0, **fields: Any) -> bytes:
    """Of a request that began `at` seconds after noon and took half a second."""
    said = {
        "time": NOON + at + 0.5,
        "message": "request",
        "request_id": f"{at:g}",
        "client": "tester",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 200,
        "seconds": 0.5,
        "asked": "SMALL",
        "model": "p/a",
        "reason": "category SMALL; priority 1",
        "stream": False,
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "attempts": [tried("p/a")],
    }
    kept = {n: v for n, v in {**said, **fields}.items() if v is not None}
    return json.dumps(kept).encode() + b"\n"


def tried(model: str, outcome: str = "answered", seconds: float = 0.5) -> Any:
    return {
        "model": model,
        "provider": "p",
        "outcome": outcome,
        "seconds": seconds,
    }


def replayed(
    log: Iterable[bytes], *models: Model, by: Settings | None = None
) -> tuple[list[Decision], Replay]:
    decisions: list[Decision] = []
    replay = Replay(by or settings(*models, clients=(client(),)), decisions.append)
    for record in read(log, Lines()):
        replay.take(record)
    replay.finish()
    return decisions, replay


def fates(decisions: Iterable[Decision]) -> list[str]:
    """Who answers, or else what becomes of it."""
    return [decision.model or decision.fate.value for decision in decisions]
