"""Two candidates at once: a second is asked where the first is late.

Whoever begins first answers, and the other is given up. The second is the next
candidate, only sooner: if the first fails it goes on by itself, and if it fails the
first is waited for still. A stream has begun with its first content, an answer in one
piece when it is complete: before that, neither is sure to be an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import attrs

from tproxy.core.chat import ChatRequest
from tproxy.core.errors import UpstreamFailed
from tproxy.core.hedging import Hedging
from tproxy.core.state import Clock
from tproxy.relay.answer import Begun
from tproxy.relay.attempt import Asking
from tproxy.relay.search import Place, Search


def hedging_of(
    search: Search, wished: frozenset[str], known: Mapping[str, Hedging]
) -> Hedging | None:
    """That of the category which is asked for a chat, where it is wished."""
    category = search.asked.models[0].category
    if search.asked.how != "category" or category not in wished:
        return None
    if not isinstance(search.request, ChatRequest):
        return None
    hedging = known[category]
    hedging.allowance.earn()
    return hedging


class Asker(Protocol):
    """Asks candidates, one by one."""

    async def attempt(
        self, search: Search, place: Place, asking: Asking
    ) -> Begun | None:
        """What has begun; None where it failed, and others may be asked.

        Raises:
            UpstreamFailed: it failed, and others need not be asked.
        """
        ...

    async def stand_in(self, search: Search) -> tuple[Place, Asking] | None:
        """The next candidate, if it need not wait for anything."""
        ...


@attrs.define(eq=False)
class Runner:
    """A candidate that is asked in a task of its own."""

    asking: Asking
    task: asyncio.Task[Begun | None]
    _stopped: bool = False

    def stop(self, *, outrun: bool) -> None:
        """Have it hang up, unless it is ending by itself: settling is not cut short."""
        if not self._stopped and not self.asking.ended:
            self._stopped = True
            self.asking.outrun = outrun
            self.task.cancel()

    async def end(self) -> None:
        """Let go of all it has, once its task is over."""
        await self.asking.end()
        with suppress(UpstreamFailed, asyncio.CancelledError):
            self.task.result()


@attrs.define(eq=False)
class Race:
    """What one search asks at the same time: a candidate, and perhaps a second."""

    _asker: Asker
    _search: Search
    _hedging: Hedging
    _clock: Clock
    _runners: list[Runner] = attrs.field(factory=list, init=False)

    async def run(self, place: Place, asking: Asking) -> tuple[Asking, Begun] | None:
        """Ask a candidate, and another if it is late; None where all that failed.

        Raises:
            UpstreamFailed: as `Asker.attempt`. What the second refuses is not final
                for as long as the first may answer.
        """
        try:
            winner = await self._winner(place, asking)
            await self._give_up(winner, outrun=True)
        except BaseException as error:
            left = isinstance(error, asyncio.CancelledError)
            await self._give_up(None, outrun=not left)
            raise
        if winner is None or (begun := winner.task.result()) is None:
            return None
        self._search.trail.usage = winner.asking.usage
        return winner.asking, begun

    async def _winner(self, place: Place, asking: Asking) -> Runner | None:
        search = self._search
        first = self._start(place, asking)
        late, refusal = None, None
        # A probe that is outrun proves nothing: its breaker would never be closed.
        if search.line and not search.hedged and not asking.probes:
            late = self._hedging.late_after(stream=search.request.stream)
        running = {first.task}
        while running:
            done, running = await asyncio.wait(
                running, timeout=late, return_when=asyncio.FIRST_COMPLETED
            )
            if not done and late is not None:
                second = await self._second(late)
                running |= set() if second is None else {second.task}
            late = None
            for runner in self._runners:
                try:
                    if runner.task in done and runner.task.result() is not None:
                        self._learn(runner)
                        return runner
                except UpstreamFailed as error:
                    if runner is first:
                        raise
                    refusal = error
        if refusal is not None:
            raise refusal
        return None

    async def _second(self, late: float) -> Runner | None:
        """Ask a second candidate, if one more may be asked."""
        allowance, found = self._hedging.allowance, None
        if not allowance.take():
            return None
        try:
            found = await self._asker.stand_in(self._search)
        finally:
            if found is None:
                allowance.give_back()
        if found is None:
            return None
        self._search.hedged = f"hedged after {late * 1e3:.0f} ms"
        return self._start(*found)

    def _start(self, place: Place, asking: Asking) -> Runner:
        attempt = self._asker.attempt(self._search, place, asking)
        runner = Runner(asking, asyncio.create_task(attempt))
        self._runners.append(runner)
        return runner

    def _learn(self, winner: Runner) -> None:
        """How long it took to begin; and the first, if it has not, even longer."""
        now, first = self._clock.steady(), self._runners[0]
        for runner in self._runners:
            if runner is winner or (runner is first and not runner.task.done()):
                seconds = now - runner.asking.started
                self._hedging.began(seconds, stream=self._search.request.stream)
        self._hedging.won += winner is not first

    async def _give_up(self, winner: Runner | None, *, outrun: bool) -> None:
        """Hang up on all others, and wait until they are settled."""
        others = [runner for runner in self._runners if runner is not winner]
        for runner in others:
            runner.stop(outrun=outrun)
        running = [runner.task for runner in others if not runner.task.done()]
        if running:
            await asyncio.wait(running)
        for runner in others:
            await runner.end()
            if runner.asking.outrun:
                self._search.hedged += f"; {runner.asking.model.name} outrun"
