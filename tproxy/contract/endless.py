"""A stream that goes on and on, made from one that ends."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

from tproxy.contract import outcome, recording
from tproxy.contract.recording import Recording
from tproxy.contract.shape import require
from tproxy.core.model import Model
from tproxy.core.upstream import Dialect

_WARM = 10_000  # events after which what is bounded has met its bound
_REPEATS = 2_000
_MOST_BYTES = 16_384


def repeatable(
    dialect: Dialect, stream: Recording, model: Model
) -> tuple[Sequence[bytes], bytes] | None:
    """An event of text that can come as often as one likes, and those before it."""
    events = recording.events(stream.body)
    for place, event in enumerate(events):
        before, after = events[: place + 1], events[place + 1 :]
        once = outcome.fed(dialect, stream.head, [*before, *after], model)
        twice = outcome.fed(dialect, stream.head, [*before, event, *after], model)
        calls = [read.output.count(b'"tool_calls"') for read in (once, twice)]
        more = len(twice.output) > len(once.output) and calls[0] == calls[1]
        if more and once.failure is twice.failure is None:
            return before, event
    return None


def check_memory(
    dialect: Dialect,
    stream: Recording,
    model: Model,
    before: Sequence[bytes],
    event: bytes,
) -> None:
    """Check that nothing of an event that has passed is kept."""
    chat = outcome.asked(stream=True)
    reader = dialect.chat.stream_reader(stream.head, chat, model)
    for raw in before:
        reader.feed(raw)
    for _ in range(_WARM):
        reader.feed(event)
    tracemalloc.start()
    try:
        for _ in range(_REPEATS):
            reader.feed(event)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    require(kept < _MOST_BYTES, stream.id, f"keeps {kept} bytes of {_REPEATS} events")
