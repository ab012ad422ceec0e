"""What a request has to look at, gathered once; and what it has taken, while it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TypeVar

import attrs

from tproxy.core.budget import Budget, Limit, Unit
from tproxy.core.leases import Heard, Room
from tproxy.state.books import INDEX, UNITS, Book, Sizes
from tproxy.state.counting import Counter
from tproxy.state.first_use import FirstUse
from tproxy.state.moments import Moment
from tproxy.state.shares import Demand, bound, part_of

L = TypeVar("L", bound="Line")
Books = tuple[tuple[Book, Budget], ...]


@attrs.define(eq=False)
class Line:
    """One limit and its counter.

    `left` is what `Ledger.denial` has left of it, had what was wanted been taken.
    """

    counter: Counter
    index: int  # of the unit
    usable: int
    limit: Limit
    budget: Budget
    left: int = attrs.field(default=0, init=False)
    lasting: bool = attrs.field(init=False)  # used until the end, not at the head
    whole: Counter = attrs.field(init=False)  # of all who draw on the limit

    @whole.default
    def _of_all(self) -> Counter:
        return self.counter

    @lasting.default
    def _is_lasting(self) -> bool:
        return self.limit.unit is not Unit.REQUESTS

    def learn(self, said: Heard, now: Moment) -> None:
        """Bounded by what was declared, whatever a provider says."""
        limit, counter = self.limit, self.counter
        if (limit.unit, limit.window) == (said.unit, said.window):
            ours = counter.taken(now) - counter.more(now.steady)
            counter.drift = limit.amount - max(said.left, 0) - ours
            counter.extra = max(0, counter.drift)
            counter.extra_until = now.steady + said.seconds
            counter.heard_at = now.steady


@attrs.define(eq=False)
class Stake(Line):
    """One limit as one class has it: `counter` is its own, and `whole` that of all."""

    whole: Counter
    own: int  # this class's part
    share: float  # of those of high priority
    high: bool
    demand: Demand
    others: Demand

    def over(self, amount: int, now: Moment) -> bool:
        """Whether so much more is too much, for as long as others ask."""
        taken = self.counter.taken(now) + amount
        if taken <= self.own and not self.whole.extra:  # whatever the others ask
            return False
        return taken > self._most(amount, self.others.lately(now.steady), now)

    def wait(self, amount: int, now: Moment) -> float:
        """Seconds until that is over, if others ask no more; after `over`."""
        return min(
            max(after, self.counter.wait(amount, self._most(amount, asked, now), now))
            for asked, after in self.others.to_come(now.steady)
        )

    def left_now(self, now: Moment) -> int:
        asked, taken = self.others.lately(now.steady), self.counter.taken(now)
        if asked or self.whole.extra:
            return max(self._most(0, asked, now) - taken, 0)
        return max(self.usable - taken, 0)

    def _most(self, amount: int, asked: int, now: Moment) -> int:
        usable = max(self.usable - self.whole.more(now.steady), 0)
        return bound(usable, self.share, asked, amount, high=self.high)


Units = tuple[Unit, tuple[Line, ...], tuple[Stake, ...]]  # what limits one


@attrs.define(eq=False)
class Plan:
    """What a request against certain budgets has to look at.

    `stakes` are those of its class in what is shared; for requests of high priority
    there is another plan, `first`, where anything is.
    """

    budgets: tuple[Budget, ...]
    lines: tuple[Line, ...]
    books: Books
    narrow: tuple[tuple[Book, Budget, int], ...]  # those of bounded concurrency
    counted: tuple[Line, ...]  # all that a lease adds to: lines and stakes
    stakes: tuple[Stake, ...] = ()
    first: Plan | None = None
    begins: tuple[FirstUse, ...] = attrs.field(init=False)  # of `counted`
    at_head: tuple[Line, ...] = attrs.field(init=False)  # of `counted`, not `lasting`
    by_unit: tuple[Units, ...] = attrs.field(init=False)
    met: bool = attrs.field(default=False, init=False)  # are its counters?

    @begins.default
    def _those_that_begin(self) -> tuple[FirstUse, ...]:
        counters = (line.counter for line in self.counted)
        return tuple(each for each in counters if isinstance(each, FirstUse))

    @at_head.default
    def _those_at_the_head(self) -> tuple[Line, ...]:
        return tuple(line for line in self.counted if not line.lasting)

    @by_unit.default
    def _those_of_each(self) -> tuple[Units, ...]:
        each = (
            (unit, tuple(_of(unit, self.lines)), tuple(_of(unit, self.stakes)))
            for unit in UNITS
        )
        return tuple((unit, lines, stakes) for unit, lines, stakes in each if lines)

    @classmethod
    def of(cls, budgets: tuple[Budget, ...], books: Books) -> Plan:
        """For requests of any priority but high."""
        lines = tuple(
            Line(book.counter(limit), INDEX[limit.unit], limit.usable, limit, budget)
            for book, budget in books
            for limit in budget.limits
        )
        narrow = tuple(
            (book, budget, budget.max_concurrent)
            for book, budget in books
            if budget.max_concurrent is not None
        )
        if all(budget.share is None for budget in budgets):
            return cls(budgets, lines, books, narrow, lines)
        rest, high = tuple(_stakes(books, high=False)), tuple(_stakes(books, high=True))
        first = cls(budgets, lines, books, narrow, (*lines, *high), high)
        return cls(budgets, lines, books, narrow, (*lines, *rest), rest, first)

    @property
    def high(self) -> bool:
        """Whether it is that other plan."""
        return bool(self.stakes) and self.stakes[0].high

    def split(self, names: Collection[str]) -> tuple[list[Budget], list[Budget]]:
        """The budgets of these names, and the rest."""
        part = [budget for budget in self.budgets if budget.name in names]
        return part, [budget for budget in self.budgets if budget.name not in names]

    def rooms(self, now: Moment) -> tuple[Room, ...]:
        """What is left of each unit, once that was taken which `Ledger.denial` was for.

        To be called right after that, at the same moment.
        """
        rooms: tuple[Room, ...] = ()
        for unit, lines, stakes in self.by_unit:
            tightest = lines[0]
            least = tightest.left
            for line in lines:
                if line.left < least:
                    tightest, least = line, line.left
            for stake in stakes:
                left = stake.left_now(now)
                if left < least:
                    tightest, least = stake, left
            resets_in = tightest.whole.resets_in(now)
            rooms += (Room(unit, tightest.usable, least, resets_in),)
        return rooms

    def headroom(self, wanted: Sizes, now: Moment) -> float:
        """The part of the tightest limit that is left once that was taken."""
        least = 1.0
        for line in self.lines:
            left = line.usable - line.counter.taken(now) - wanted[line.index]
            least = min(least, left / line.usable)
        for stake in self.stakes:
            left = stake.left_now(now) - wanted[stake.index]
            least = min(least, left / stake.usable)
        return max(least, 0.0)

    @property
    def unlimited(self) -> bool:
        return not self.lines and not self.narrow


@attrs.define(eq=False)
class Held:
    """A lease in the books; `at` is when the provider was known to have the request."""

    plan: Plan
    sizes: Sizes
    since: float
    expires: float
    at: float | None = None

    @property
    def flying(self) -> tuple[Line, ...]:
        """Those in which it is in flight: all, and from `at` on what is lasting."""
        lines = self.plan.counted
        if self.at is None:
            return lines
        return tuple(line for line in lines if line.lasting)

    def place(self, lines: Iterable[Line], at: float, now: Moment) -> None:
        """What was in flight has its place in time."""
        for line in lines:
            counter, amount = line.counter, self.sizes[line.index]
            counter.flight -= amount
            if counter.due <= now.steady:
                counter.refresh(now)
            counter.place(at, amount, now, self.since)

    def lift(self, lines: Iterable[Line], at: float, now: Moment) -> None:
        """What was placed at `at` is in flight again, as it has been all the time."""
        for line in lines:
            counter, amount = line.counter, self.sizes[line.index]
            counter.refresh(now)
            if amount and at + counter.seconds > now.steady:
                counter.take_back(at, amount, now)
            counter.flight += amount
        for counter in self.plan.begins:
            counter.idle = min(counter.idle, self.since)


def _of(unit: Unit, lines: Iterable[L]) -> Iterator[L]:
    return (line for line in lines if line.limit.unit is unit)


def _stakes(books: Books, *, high: bool) -> Iterator[Stake]:
    for book, budget in books:
        if budget.share is None:
            continue
        for limit in budget.limits:
            split, part = book.split(limit), part_of(limit.usable, budget.share)
            yield Stake(
                split.counters[high],
                INDEX[limit.unit],
                limit.usable,
                limit,
                budget,
                book.counter(limit),
                part if high else limit.usable - part,
                budget.share,
                high,
                split.demands[high],
                split.demands[not high],
            )
