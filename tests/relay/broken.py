"""Streams that break after their first content, and a relay that may go on with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs

from tests.clocks import in_no_time
from tests.dialect import event
from tests.fakes import Act, Gate, Script
from tests.relay.rig import ONCE, SSE, Rig, Seen, model
from tests.values import chat
from tproxy.core import failures
from tproxy.core.model import ALL_CAPABILITIES, Capability, Prefill, Routing
from tproxy.core.upstream import Broken

LOST = Broken(failures.LOST, "reset")
ABLE = ALL_CAPABILITIES | {Capability.PREFILL}


def breaks(*words: str, by: bytes | Broken = LOST) -> Script:
    """A stream that says some words and then breaks."""
    return Script([event(), *map(event, words), by], headers=SSE)


def rig(
    *acts: Act | Sequence[Act],
    able: str = "bcd",
    resume: bool = True,
    normalise: bool = False,
    way: Prefill = Prefill.MESSAGE,
    routing: Routing = Routing(),  # noqa: B008 - is frozen
    gate: Gate | None = None,
) -> Rig:
    """Models a, b and so on, of which some are `able` to go on with an answer."""
    named = dict(zip("abcd", acts, strict=False))
    models = [
        attrs.evolve(
            model(name, priority=number),
            resume=resume,
            normalise=normalise,
            prefill=way,
            capabilities=ABLE if name in able else ALL_CAPABILITIES,
        )
        for number, name in enumerate(named)
    ]
    return Rig(
        named, retry=ONCE, models=tuple(models), routing=routing, gate=gate or Gate()
    )


def ask(rig: Rig, **fields: object) -> Seen:
    wanted = chat("Hello", **{"model": "SMALL", "stream": True, **fields})
    return in_no_time(rig.asking(wanted))


def chunks(seen: Seen) -> list[Any]:
    datas = [raw.removeprefix(b"data: ") for raw in seen.text.split(b"\n\n") if raw]
    return [json.loads(data) for data in datas if data != b"[DONE]"]


def text(seen: Seen) -> str:
    choices = [one for said in chunks(seen) for one in said.get("choices", ())]
    return "".join(one["delta"].get("content") or "" for one in choices)
