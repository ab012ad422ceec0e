"""Waiting for quota: who comes first is the first to have it, by classes of clients."""

from __future__ import annotations

import math
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import attrs

from tproxy.core.errors import NoCandidate, QuotaExhausted
from tproxy.core.model import Routing
from tproxy.core.selection import Selection, Why
from tproxy.core.state import Clock
from tproxy.relay.answer import Answer
from tproxy.relay.outlook import Outlook
from tproxy.relay.queues import LOOK_AGAIN, NoTurn, Queues, Turn
from tproxy.relay.search import Search

Seek = Callable[[Search], Awaitable[Answer]]


@attrs.frozen(eq=False)
class Waiting:
    """Lets requests wait in line until quotas have room for them.

    Whoever has its turn keeps it until it has taken what it waited for; who is refused
    after all keeps its place.
    """

    _outlook: Outlook
    _queues: Queues
    _clock: Clock
    _sleep: Callable[[float], Awaitable[None]]
    _routing: Routing

    async def answer(self, search: Search, seek: Seek, until: float) -> Answer:
        """What `seek` finds, as soon as quotas have room, for which it waits `until`.

        Raises:
            ProxyError: as it is by then.
        """
        line = self._outlook.line(search)
        busy = self._queues.busy(line)
        # What nobody can ever take is not kept waiting.
        if not busy or await self._outlook.soonest(search) == math.inf:
            answer = await _sought(search, seek)
            if answer is not None:
                return answer
        place = self._queues.arrive(search.client.priority)
        most = self._routing.max_waiting
        with suppress(NoTurn):
            while (left := until - self._clock.steady()) > 0:
                async with self._queues.turn(line, place, left, most) as turn:
                    search.turn, most = turn, sys.maxsize  # its place is kept
                    answer = await self._in_turn(search, turn, seek, until)
                if answer is not None:
                    return answer
        if _uncounted(search):
            raise await self._outlook.verdict(search, Selection(()))
        raise await self._refusal(search, line)

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
            answer = await _sought(search, seek)
            if answer is not None:
                return answer
            # What is known of a store may not be all there is.
            await self._sleep(LOOK_AGAIN)
        return None

    async def _refusal(self, search: Search, line: tuple[str, ...]) -> QuotaExhausted:
        """Until when: who comes back later finds those before it that wait by now.

        Unless there is room so late that all of them will have left.
        """
        wait, crowd = await self._outlook.soonest(search), ""
        left = self._routing.wait_seconds - wait
        ahead = self._queues.ahead(line, search.client.priority)
        if ahead and left > 0:
            wait = await self._outlook.soonest(search, ahead, left)
            crowd = f", after {ahead} that wait already"
        wait = wait if wait < math.inf else 1.0
        seconds = max(math.ceil(wait), 1)
        return QuotaExhausted(
            message=f"No model can take this request within {seconds} s{crowd}.",
            retry_after=wait,
        )


async def _sought(search: Search, seek: Seek) -> Answer | None:
    """None where there is no room, or nobody can tell at this moment."""
    try:
        return await seek(search)
    except QuotaExhausted:
        return None
    except NoCandidate:
        if not _uncounted(search):
            raise
        return None


def _uncounted(search: Search) -> bool:
    """Whether a store kept a candidate from being asked, and no other was asked."""
    return not search.failed and any(e.why is Why.UNCOUNTED for e in search.excluded)
