"""What providers say of our quotas, told to the store beside the answers.

The store compares it with what it counts by then. So it is told at once: later, what
has left our windows since would look as if others had taken it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import attrs

from tproxy.core import meters
from tproxy.core.budget import Budget
from tproxy.core.leases import Heard, QuotaStore
from tproxy.core.meters import Metered
from tproxy.core.state import Clock

_NEWS = 1.0  # seconds, after which it is none


@attrs.define(eq=False)
class Lessons:
    """One by one; of each budget what was heard last, where the store falls behind."""

    _quotas: QuotaStore
    _clock: Clock
    _heard: dict[Budget, tuple[float, Sequence[Heard]]] = attrs.field(
        factory=dict, init=False
    )
    _telling: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def hear(
        self, at: float, headers: Mapping[str, str], metered: Sequence[Metered]
    ) -> None:
        """The head of a reply, at a steady moment, of a model that it may tell of."""
        wall = self._clock.wall()
        for each in metered:
            heard = meters.read(headers, each.meters, wall)
            if heard:
                self._heard.pop(each.budget, None)  # the last to be heard comes last
                self._heard[each.budget] = at, heard
        if self._heard and self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        try:
            while self._heard:
                budget = next(iter(self._heard))
                at, heard = self._heard.pop(budget)
                if self._clock.steady() - at <= _NEWS:
                    await self._quotas.learn(budget, heard)
        finally:
            self._telling = None
