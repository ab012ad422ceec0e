"""Waiting for quota: who comes first is the first to have it, by classes of clients."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs

from tproxy.core.errors import QuotaExhausted
from tproxy.core.state import Clock
from tproxy.relay.answer import Answer
from tproxy.relay.outlook import Outlook
from tproxy.relay.queues import LOOK_AGAIN, NoTurn, Queues, Turn
from tproxy.relay.search import Search

Seek = Callable[[Search], Awaitable[Answer]]


@attrs.frozen(eq=False)
class Waiting:
    """Lets requests wait in line, `most` of them, until quotas have room for them.

    Whoever has its turn keeps it until it has taken what it waited for; who is refused
    after all keeps its place.
    """

    _outlook: Outlook
    _queues: Queues
    _clock: Clock
    _sleep: Callable[[float], Awaitable[None]]
    _most: int

    async def answer(self, search: Search, seek: Seek, until: float) -> Answer:
        """What `seek` finds, as soon as quotas have room, for which it waits `until`.

        Raises:
            ProxyError: as it is by then.
        """
        line = self._outlook.line(search)
        if not self._queues.busy(line):
            with suppress(QuotaExhausted):
                return await seek(search)
        place = self._queues.arrive(search.client.priority)
        with suppress(NoTurn):
            while (left := until - self._clock.steady()) > 0:
                async with self._queues.turn(line, place, left, self._most) as turn:
                    search.turn = turn
                    answer = await self._in_turn(search, turn, seek, until)
                if answer is not None:
                    return answer
        # Who comes back later finds those before it that are in line by now.
        ahead = self._queues.ahead(line, search.client.priority)
        raise _refusal(await self._outlook.soonest(search, ahead), ahead)

    async def _in_turn(
        self, search: Search, turn: Turn, seek: Seek, until: float
    ) -> Answer | None:
        """Seek as soon as there should be room, and again where there was none.

        What others have taken may be more than they use, so one looks now and then.
        None where it was asked, and limited by its providers: it is another's turn now.

        Raises:
            NoTurn: there was no room in time, or there will be none.
        """
        settled = self._outlook.settled(search)
        while not turn.passed:
            wait = await self._outlook.soonest(search)
            if wait == math.inf:
                return await seek(search)  # which says best why it never fits
            left = until - self._clock.steady()
            if left <= 0 or (settled and wait >= left):
                raise NoTurn
            if wait > 0:
                await self._sleep(min(wait, LOOK_AGAIN, left))
                continue
            with suppress(QuotaExhausted):
                return await seek(search)
            # What is known of a store may not be all there is.
            await self._sleep(LOOK_AGAIN)
        return None


def _refusal(wait: float, ahead: int) -> QuotaExhausted:
    wait = wait if wait < math.inf else 1.0
    crowd = f", after {ahead} that wait already" if ahead else ""
    seconds = max(math.ceil(wait), 1)
    return QuotaExhausted(
        message=f"No model can take this request within {seconds} s{crowd}.",
        retry_after=wait,
    )
