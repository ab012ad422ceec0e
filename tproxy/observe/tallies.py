"""Numbers of the processes of one proxy: each writes its own, and any reads all.

They lie in memory that is mapped before the first fork, so that they outlive whoever
writes them, also one that is killed. A number is stored whole, as eight aligned bytes.
Whoever takes the place of another goes on with its numbers.

A place is a row of cells, of eight bytes each. First come the length of what follows,
the moment of the last beat, and how many series found no room. Then, series by series:
the bytes of its key, how many numbers it has, whether they pass with their process,
its key as JSON, and the numbers. A series is there once the length says so.
"""

from __future__ import annotations

import itertools
import json
import math
import mmap
from collections.abc import Iterable, Iterator
from typing import Final

import attrs

Key = tuple[str, ...]  # the name of a metric, and what its labels say

ALIVE: Final = 5.0  # seconds from one beat to the next, or the process is gone
WIDEST: Final = 32  # numbers of one series

_BYTES = 4 << 20  # for a place; memory is taken only for what is used
_CELL = 8
_LENGTH, _BEAT, _LOST, _SPILL = range(4)  # cells; to `_SPILL` goes what has no room
_FIRST = _SPILL + WIDEST
_HEAD = 3  # cells before a key


@attrs.frozen
class Series:
    """Where the numbers of one key are, in cells. `passing` ends with its process."""

    key: Key
    start: int
    width: int
    passing: bool


@attrs.define(eq=False)
class Tally:
    """One place, as one process sees it: to write, if it is its own, or to read."""

    cells: memoryview[float]
    _bytes: memoryview[int]
    _known: dict[str, list[Series]] = attrs.field(factory=dict, init=False)
    _starts: dict[Key, int] = attrs.field(factory=dict, init=False)
    _before: dict[Key, float] = attrs.field(factory=dict, init=False)
    _read: int = attrs.field(default=_FIRST, init=False)

    def take_over(self) -> None:
        """Be the one who writes here. What passed with the one before is nothing."""
        self.cells[_BEAT] = self.cells[_LOST] = 0.0
        self.look()
        for series in itertools.chain.from_iterable(self._known.values()):
            self._starts[series.key] = series.start
            if series.passing:
                self.cells[series.start] = 0.0

    def beat(self, now: float) -> None:
        """Say that what passes is as of this steady moment."""
        self.cells[_BEAT] = now

    def at(self, key: Key, width: int = 1, *, passing: bool = False) -> int:
        """The first of the cells that are for this key."""
        start = self._starts.get(key)
        if start is None:
            start = self._starts[key] = self._start(key, width, passing=passing)
        return start

    def add(self, key: Key, amount: float = 1.0) -> None:
        self.cells[self.at(key)] += amount

    def show(self, key: Key, number: float) -> None:
        """What is so now, and passes with the process."""
        self.cells[self.at(key, passing=True)] = number

    def follow(self, key: Key, number: float) -> None:
        """Count what a process counts by itself, and from nothing.

        What it takes back stays counted, until as much is added: no counter goes back.
        """
        start = self.at(key)
        seen = self.cells[start]
        before = self._before.setdefault(key, seen)
        self.cells[start] = max(seen, before + number)

    def look(self, most: float = math.inf) -> bool:
        """Find up to so many new series; whether there may be more."""
        end = _FIRST + int(self.cells[_LENGTH])
        while self._read < end and most > 0:
            most -= 1
            size, width, passing = (
                int(cell) for cell in self.cells[self._read : self._read + _HEAD]
            )
            first = (self._read + _HEAD) * _CELL
            key = tuple(json.loads(bytes(self._bytes[first : first + size])))
            start = self._read + _HEAD + _cells_for(size)
            series = Series(key, start, width, bool(passing))
            self._known.setdefault(key[0], []).append(series)
            self._read = start + width
        return self._read < end

    @property
    def names(self) -> Iterable[str]:
        """Of the metrics of which series were found."""
        return self._known.keys()

    def add_to(
        self, sums: dict[Key, list[float]], name: str, now: float
    ) -> Iterator[Key]:
        """Add what stands here of a metric at a steady moment, key by key.

        Others may get their turn between. It is of the series that were looked for.
        """
        cells, alive = self.cells, self.alive(now)
        for series in self._known.get(name, ()):
            if series.passing and not alive:
                continue
            key, start = series.key, series.start
            known = sums.get(key)
            if known is None:
                sums[key] = list(cells[start : start + series.width])
            else:
                for place in range(series.width):
                    known[place] += cells[start + place]
            yield key

    def alive(self, now: float) -> bool:
        """Whether what passes is still so."""
        beat = self.cells[_BEAT]
        return beat > 0 and now - beat < ALIVE

    @property
    def lost(self) -> float:
        """How many series found no room, and are not told."""
        return self.cells[_LOST]

    def _start(self, key: Key, width: int, *, passing: bool) -> int:
        said = json.dumps(key).encode()
        begin = _FIRST + int(self.cells[_LENGTH])
        start = begin + _HEAD + _cells_for(len(said))
        if start + width > len(self.cells):
            self.cells[_LOST] += 1
            return _SPILL
        for place, number in enumerate((len(said), width, passing)):
            self.cells[begin + place] = number
        first = (begin + _HEAD) * _CELL
        self._bytes[first : first + len(said)] = said
        for cell in range(start, start + width):  # what was begun here, and no more
            self.cells[cell] = 0.0
        self.cells[_LENGTH] = start + width - _FIRST  # last: now it is there
        return start


@attrs.define(eq=False)
class Tallies:
    """The places of all processes, to be made before these are."""

    places: int = 1
    size: int = _BYTES
    _memory: mmap.mmap = attrs.field(init=False)
    all: tuple[Tally, ...] = attrs.field(init=False)  # to read

    def __attrs_post_init__(self) -> None:
        self._memory = mmap.mmap(-1, self.places * self.size)
        self.all = tuple(map(self._tally, range(self.places)))

    def own(self, number: int) -> Tally:
        """Place `number`, counted from 1, for the process that is to write there."""
        tally = self._tally(number - 1)
        tally.take_over()
        return tally

    def _tally(self, index: int) -> Tally:
        here = slice(index * self.size, (index + 1) * self.size)
        room = memoryview(self._memory)[here]
        return Tally(room.cast("d"), room)


def _cells_for(size: int) -> int:
    return -(-size // _CELL)
