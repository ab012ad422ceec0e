"""Breakers and starts of one process among several that share a board.

Outcomes are counted by each process alone, so that the good path asks nobody. What the
others are told, in the background and within a second or so, is that a breaker has
opened, that its probe is out, and that it is closed again. To probe takes a turn on the
board, which one process has at a time. Without the board each goes on alone.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

import attrs

from tproxy.core.breaker import CLOSED, Breaker, Opening
from tproxy.state.board import BoardLost, Link, Note
from tproxy.state.memory import MemoryBreakers, MemoryStarts

_BEAT = 1.0  # seconds between looks at the board
_APART = 0.1  # and between those that changes of ours call for
_TURN = 5.0  # in which a process may send its probe
_MOST = 1_000_000  # of what is counted
_OPENED, _PROBED = "breaker/", "probe/"


@attrs.define(eq=False)
class SharedBreakers(MemoryBreakers):
    """`core.state.Breakers` that all who have the board open and close together."""

    _link: Link = attrs.field(kw_only=True)
    _untold: set[str] = attrs.field(factory=set, init=False)
    _changed: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    # By model: until when the turn to probe is ours, and when to ask for it again.
    _turns: dict[str, tuple[float, float]] = attrs.field(factory=dict, init=False)

    async def resting(self, models: Sequence[str]) -> list[float]:
        if not self._by_model:
            return [0.0] * len(models)
        return await asyncio.gather(*map(self._resting, models))

    async def keep(
        self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        """Hear and tell again and again; never returns."""
        while True:
            with suppress(BoardLost):
                await self.meet()
            pause = _BEAT if self._link.away else _APART
            await sleep(pause)
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT - pause):
                    await self._changed.wait()

    async def meet(self) -> None:
        """Hear what others have told, and tell what is new here.

        Raises:
            BoardLost: not all of it was heard, or told; the next time may do better.
        """
        self._changed.clear()
        board = self._link.board
        notes = await self._link.ask(board.notes())
        self._hear(
            {
                name.removeprefix(_OPENED): note
                for name, note in notes.items()
                if name.startswith(_OPENED)
            }
        )
        for model in tuple(self._untold):
            self._untold.discard(model)
            opening = self._by_model.get(model, CLOSED).opening(self._clock.steady())
            said = json.dumps(attrs.astuple(opening))
            try:
                await self._link.ask(board.post(_OPENED + model, said))
            except BaseException:
                self._untold.add(model)
                raise

    def _hear(self, notes: Mapping[str, Note]) -> None:
        """What is new here stays, unless others have had to open it more often."""
        now = self._clock.steady()
        for model, note in notes.items():
            theirs = _read(note)
            ours = self._by_model.get(model, CLOSED)
            if theirs is None:
                self._untold.add(model)
            elif model in self._untold and not 0 < ours.openings < theirs.openings:
                continue
            elif ours.openings or theirs.openings:
                self._untold.discard(model)
                super()._become(model, ours, Breaker.of(theirs, now, self._policy))
        # A board that was wiped is told again.
        open_here = (m for m, breaker in self._by_model.items() if breaker.openings)
        self._untold.update(model for model in open_here if model not in notes)

    def _become(self, model: str, before: Breaker, after: Breaker) -> None:
        super()._become(model, before, after)
        if after is not before and (before.openings or after.openings):
            self._untold.add(model)
            self._changed.set()

    async def _resting(self, model: str) -> float:
        breaker = self._by_model.get(model, CLOSED)
        rest = breaker.resting_for(self._clock.steady())
        if rest or not breaker.openings:
            return rest
        return await self._turn(model)

    async def _turn(self, model: str) -> float:
        """Seconds until this process may probe; a turn that is not used passes on."""
        now = self._clock.steady()
        ours_until, again_at = self._turns.get(model, (now, now))
        if now < ours_until or self._link.away:
            return 0.0
        if now < again_at:
            return again_at - now
        self._turns[model] = now, now + _APART  # while the board is asked
        wait = 0.0
        with suppress(BoardLost):
            wait = await self._link.ask(self._link.board.take(_PROBED + model, _TURN))
        ours = 0.0 if wait else _TURN
        self._turns[model] = now + ours, now + (wait or _TURN + _BEAT)
        return wait


@attrs.define(eq=False)
class SharedStarts:
    """`core.state.Starts` over all who have the board.

    While it is away, each of `processes` has its part of them.
    """

    _link: Link
    _here: MemoryStarts  # as far as they are known
    _processes: int = 1
    # Names that began here at last: nobody else gives that back.
    _ours: set[str] = attrs.field(factory=set, init=False)

    def wait(self, name: str, interval: float) -> float:
        return self._here.wait(name, interval)

    async def take(self, name: str, interval: float) -> float:
        if not self._link.away:
            if name in self._ours and (wait := self._here.wait(name, interval)):
                return wait
            with suppress(BoardLost):
                wait = await self._link.ask(self._link.board.take(name, interval))
                self._here.learn(name, interval - wait if wait else 0.0)
                (self._ours.discard if wait else self._ours.add)(name)
                return wait
        return await self._here.take(name, interval * self._processes)

    async def give_back(self, name: str) -> None:
        await self._here.give_back(name)
        if not self._link.away:
            with suppress(BoardLost):
                await self._link.ask(self._link.board.give_back(name))


@attrs.define(eq=False)
class Sharing:
    """What is shared by a board, from `start` to `close`."""

    link: Link
    breakers: SharedBreakers
    starts: SharedStarts
    _beating: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    async def start(self) -> None:
        """Learn what rests already, and go on learning."""
        with suppress(BoardLost):
            await self.breakers.meet()
        self._beating = asyncio.create_task(self.breakers.keep())

    async def close(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait((self._beating,))
        await self.link.board.close()


def _read(note: Note) -> Opening | None:
    """As it is by now; None where nothing can be made of it."""
    try:
        *counts, rests_for, probes_for = json.loads(note.said)
        openings, failures, proofs = (min(max(int(n), 0), _MOST) for n in counts)
        rests = [max(float(s) - note.ago, 0.0) for s in (rests_for, probes_for)]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
    if not all(map(math.isfinite, rests)):
        return None
    return Opening(openings, failures, proofs, *rests)
