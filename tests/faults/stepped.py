"""A provider whose stream goes on only when a test says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from tests.dialect import DONE, event
from tests.faults.script import SSE, End, Script, chunked
from tests.faults.upstream import Asked, ScriptedUpstream, listening

END = event(finish="stop") + DONE


@attrs.define(eq=False)
class SteppedUpstream(ScriptedUpstream):
    """Sends what is put into `steps`, chunk by chunk; `None` ends the answer."""

    steps: asyncio.Queue[bytes | None] = attrs.field(factory=asyncio.Queue)

    @property
    def left(self) -> asyncio.Event:
        """Set when the first that asked has hung up."""
        return self.asked[0].left

    def script_for(self, asked: Asked) -> Script:
        return [*chunked([self.steps], {**SSE, "Connection": "close"}), End.CLOSE]


@asynccontextmanager
async def stepped() -> AsyncIterator[SteppedUpstream]:
    upstream = SteppedUpstream(())
    async with listening(upstream):
        yield upstream
