"""The books of all budgets: what was taken, by whom, until when. No clock and no I/O.

Whatever changes a ledger is one call with its moment, and the same calls in the same
order make the same ledger. So a process can keep it alone, and several can keep copies.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence

import attrs

from tproxy.core.budget import Budget, Limit, Outcome
from tproxy.core.leases import (
    CONCURRENCY,
    REST,
    BudgetState,
    Denial,
    Heard,
    LeaseId,
    Want,
)
from tproxy.core.windows import HOUR, MINUTE
from tproxy.state.books import Book, Sizes, sizes
from tproxy.state.moments import Moment
from tproxy.state.plans import Held, Plan

_MOST_PLANS = 10_000
_MOST_LATE = 10_000
_LATE = HOUR  # for which it is remembered what expired
_TURNOVER = 1.0  # seconds; when a request under way will end, nobody knows
_REFUSAL = Outcome.REFUSAL  # to look up a member of an enum takes long


@attrs.define(eq=False)
class Ledger:
    """All books and leases. Moments are handed in and never go back.

    `late` are leases that have expired: where its owner speaks of one after all, it is
    held again as if it had not.
    """

    books: dict[str, Book] = attrs.field(factory=dict)
    held: dict[LeaseId, Held] = attrs.field(factory=dict)
    late: dict[LeaseId, Held] = attrs.field(factory=dict)
    _plans: dict[tuple[Budget, ...], Plan] = attrs.field(factory=dict)
    _known: dict[int, Plan] = attrs.field(factory=dict)  # the same by id of its budgets
    _sweep_at: float = math.inf  # no lease expires before

    def plan(self, budgets: Sequence[Budget], *, high: bool = False) -> Plan:
        plan = self._known.get(id(budgets))
        if plan is None or plan.budgets is not budgets:
            plan = self._planned(tuple(budgets))
        return plan.first or plan if high else plan

    def _planned(self, budgets: tuple[Budget, ...]) -> Plan:
        """Who asks often hands in the same tuple, and need not have it hashed."""
        plan = self._plans.get(budgets)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:  # reloads leave their own behind
                self._plans.clear()
                self._known.clear()
            books = tuple((self._book(b), b) for b in dict.fromkeys(budgets))
            plan = Plan.of(budgets, books)
            self._plans[budgets] = self._known[id(budgets)] = plan
        return plan

    def denial(self, plan: Plan, wanted: Sizes, now: Moment) -> Denial | None:
        """What has to be waited for longest; None if all can give that much now."""
        steady = now.steady
        worst: Denial | None = None
        for book, budget in plan.books:
            rest = book.rest
            if rest.until > steady or rest.probe_until > steady:
                worst = _longer(worst, budget.name, REST, rest.wait(steady))
        for book, budget, most in plan.narrow:
            if book.held >= most:
                worst = _longer(worst, budget.name, CONCURRENCY, _TURNOVER)
        for line in plan.lines:
            counter, amount = line.counter, wanted[line.index]
            if counter.due <= steady:
                counter.refresh(now)
            left = line.usable - counter.used - counter.flight - amount
            if counter.extra:
                left -= counter.more(steady)
            line.left = left
            if left < 0:
                line.left = 0
                wait = counter.wait(amount, line.usable, now)
                worst = _longer(worst, line.budget.name, line.limit.label, wait)
        for stake in plan.stakes:
            amount = wanted[stake.index]
            if amount and stake.over(amount, now):
                wait = stake.wait(amount, now)
                worst = _longer(worst, stake.budget.name, stake.limit.label, wait)
        return worst

    def waits(self, wants: Sequence[Want], now: Moment) -> list[float]:
        """For each of `wants`, the seconds until it fits."""
        denials = [
            self.denial(self.plan(budgets, high=cost.high), sizes(cost), now)
            for budgets, cost in wants
        ]
        return [0.0 if denial is None else denial.wait for denial in denials]

    def headroom(self, wants: Sequence[Want], now: Moment) -> list[float]:
        """For each of `wants`, the part of its tightest limit that it would leave."""
        plans = [(self.plan(b, high=cost.high), sizes(cost)) for b, cost in wants]
        return [plan.headroom(wanted, now) for plan, wanted in plans]

    def in_vain(self, plan: Plan, denial: Denial, now: Moment) -> Budget | None:
        """The shared budget that is to hear of a `wish`; none that has heard enough."""
        if denial.wait == math.inf:
            return None
        for stake in plan.stakes:
            curious = stake.demand.within(now.steady) < stake.usable
            if curious and stake.budget.name == denial.budget:
                return stake.budget
        return None

    def wish(self, budget: Budget, wanted: Sizes, high: bool, now: Moment) -> None:
        """So much was asked for in vain."""
        for stake in self.plan((budget,), high=high).stakes:
            stake.demand.add(wanted[stake.index], now.steady)

    def take(
        self, lease: LeaseId, plan: Plan, wanted: Sizes, seconds: float, now: Moment
    ) -> None:
        """Enter a lease for which there is room."""
        steady = now.steady
        for counter in plan.begins:
            if not counter.flight:
                counter.idle = steady
        for line in plan.counted:
            line.counter.flight += wanted[line.index]
        for stake in plan.stakes:
            stake.demand.add(wanted[stake.index], steady)
        for book, _ in plan.books:
            book.touched = steady
            book.held += 1
            if book.rest.guess:
                book.rest.admit(lease, steady)
        expires = steady + seconds
        self.held[lease] = Held(plan, wanted, steady, expires)
        if expires < self._sweep_at:
            self._sweep_at = expires

    def hold(self, lease: LeaseId, held: Held) -> None:
        """Enter one that was taken before: its counters know of it."""
        for book, _ in held.plan.books:
            book.held += 1
        self.held[lease] = held
        if held.expires < self._sweep_at:
            self._sweep_at = held.expires

    def reached(self, lease: LeaseId, at: float, now: Moment) -> None:
        """The provider had the request at `at`; its place in time is known."""
        held = self._held(lease, now)
        if held is not None and held.at is None:
            held.at = at
            held.place(held.plan.at_head, at, now)

    def split(
        self, lease: LeaseId, part: LeaseId, names: Collection[str], now: Moment
    ) -> None:
        """What a lease holds of the budgets of these names goes on as another."""
        held = self._held(lease, now)
        if held is not None:
            both, high = held.plan.split(names), held.plan.high
            parted, held.plan = (self.plan(budgets, high=high) for budgets in both)
            self.held[part] = attrs.evolve(held, plan=parted)

    def settle(
        self,
        lease: LeaseId,
        actual: Sizes | None,
        outcome: Outcome,
        head: float,
        end: float,
        now: Moment,
    ) -> None:
        """It has ended at `end`; if nobody said yet, it was reached at `head`.

        It took what was reserved, if not `actual`.
        """
        held = self._end(lease, now, served=outcome is not _REFUSAL)
        if held is None:
            return
        sizes, at, steady = held.sizes, held.at, now.steady
        if actual is None:
            actual = sizes
        for line in held.plan.counted:
            counter, index, lasting = line.counter, line.index, line.lasting
            reserved = sizes[index]
            amount = actual[index] if outcome in line.budget.counts else 0
            if at is None or lasting:
                counter.flight -= reserved
                if counter.due <= steady:
                    counter.refresh(now)
                counter.place(end if lasting else head, amount, now, held.since)
            elif amount != reserved:
                counter.refresh(now)
                if amount:
                    counter.correct(at, amount - reserved, now)
                else:
                    counter.take_back(at, reserved, now)

    def release(self, lease: LeaseId, now: Moment) -> None:
        held = self._end(lease, now, served=False)
        if held is None:
            return
        for line in held.plan.counted:
            counter, reserved = line.counter, held.sizes[line.index]
            if held.at is None or line.lasting:
                counter.flight -= reserved
            else:
                counter.refresh(now)
                counter.take_back(held.at, reserved, now)

    def extend(self, leases: Iterable[LeaseId], seconds: float, now: Moment) -> None:
        for lease in leases:
            held = self._held(lease, now)
            if held is not None:
                held.expires = now.steady + seconds

    def overdue(self, now: Moment) -> bool:
        """Whether a lease has expired that was not swept yet."""
        if now.steady < self._sweep_at:
            return False
        expiries = (held.expires for held in self.held.values())
        self._sweep_at = min(expiries, default=math.inf)
        return now.steady >= self._sweep_at

    def sweep(self, now: Moment) -> None:
        """End leases that have expired: what they took is used, since their last."""
        if now.steady < self._sweep_at:
            return
        over = [key for key, held in self.held.items() if held.expires <= now.steady]
        for lease in over:
            held = self.held[lease]
            held.place(held.flying, held.expires, now)
            self._end(lease, now, served=False)
            self.late[lease] = held
        while self.late:
            lease, held = next(iter(self.late.items()))
            if len(self.late) <= _MOST_LATE and held.expires + _LATE > now.steady:
                break
            del self.late[lease]

    def rest(self, budget: Budget, seconds: float | None, now: Moment) -> float:
        """Admit nothing for a while; return the seconds."""
        longest = max((limit.window.seconds for limit in budget.limits), default=MINUTE)
        rest = self._book(budget).rest
        rest.begin(seconds, now.steady, longest)
        return rest.wait(now.steady)

    def learn(self, budget: Budget, heard: Sequence[Heard], now: Moment) -> None:
        """Believe a provider as far as it leaves less than we do."""
        for line in self.plan((budget,)).lines:
            for said in heard:
                line.learn(said, now)

    def drifts(self, budget: Budget) -> list[tuple[Limit, int]]:
        """How many more a provider has counted than we, when it was last heard."""
        lines = self.plan((budget,)).lines
        return [(line.limit, line.counter.drift) for line in lines]

    def state(self, budget: Budget, now: Moment) -> BudgetState:
        return self._book(budget).state(budget, now)

    def _book(self, budget: Budget) -> Book:
        book = self.books.get(budget.name)
        if book is None:
            book = self.books[budget.name] = Book()
        return book

    def _held(self, lease: LeaseId, now: Moment) -> Held | None:
        """The lease; if it is late, it is held again."""
        held = self.held.get(lease)
        if held is None and lease in self.late:
            held = self.late.pop(lease)
            held.lift(held.flying, held.expires, now)
            self.hold(lease, held)
        return held

    def _end(self, lease: LeaseId, now: Moment, *, served: bool) -> Held | None:
        held = self.held.get(lease) or self._held(lease, now)
        if held is not None:
            del self.held[lease]
            for book, _ in held.plan.books:
                book.held -= 1
                if book.rest.probe is not None:
                    book.rest.ended(lease, held.since, served=served)
        return held


def _longer(worst: Denial | None, budget: str, limit: str, wait: float) -> Denial:
    if worst is not None and worst.wait >= wait:
        return worst
    return Denial(budget, limit, wait)
