"""What processes that share a store tell one another beside quotas, and the way there.

A board holds notes, one under a name, and remembers when names were taken. It knows
nothing of what they stand for. Whoever cannot reach it goes on alone.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import attrs

from tproxy.core.events import Notice, Observer

T = TypeVar("T")

_LOSSES = 3  # in a row, after which requests go on alone


class BoardLost(Exception):
    """The board cannot be reached in time, or not be read."""


class Note(NamedTuple):
    """What somebody has said, and how many seconds ago."""

    said: str
    ago: float


class Board(Protocol):
    """Each method is one step to all others, and raises `BoardLost`."""

    async def post(self, name: str, said: str | None) -> None:
        """Leave a note in place of the last one there; None takes that away."""
        ...

    async def notes(self) -> Mapping[str, Note]:
        """All that there are."""
        ...

    async def take(self, name: str, seconds: float) -> float:
        """Take a name that nobody has taken within `seconds`: 0; else the wait."""
        ...

    async def give_back(self, name: str) -> None:
        """What this process has taken last is free again."""
        ...

    async def close(self) -> None: ...


@attrs.define(eq=False)
class Link:
    """One process's way to the board. `away`: no request is to try it."""

    board: Board
    _observer: Observer
    _losses: int = attrs.field(default=0, init=False)

    @property
    def away(self) -> bool:
        return self._losses >= _LOSSES

    async def ask(self, call: Coroutine[Any, Any, T]) -> T:
        """The board's answer. Raises BoardLost; and takes note, whatever comes."""
        try:
            answer = await call
        except BoardLost as error:
            self._losses += 1
            if self._losses == _LOSSES:
                said = {"why": str(error)}
                words = "breakers and throttles are not shared for now"
                self._observer.emit(Notice("warning", words, said))
            raise
        if self.away:
            words = "breakers and throttles are shared again"
            self._observer.emit(Notice("info", words))
        self._losses = 0
        return answer
