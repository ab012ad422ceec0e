"""Quotas in a file, shared by the processes of one host.

A reservation takes about as long as handing it to a thread and back would, so it runs
on the event loop, together with those that are asked for at the same time. A lock that
another process holds is tried for again, not waited for. Checkpoints wait for the disk,
and have a thread.

What a request took is given back, or corrected, a little later: until then others count
all of it, and for good if this process is killed. Here it is seen at once. A rest is
written at once, as is what cost more than was reserved.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from pathlib import Path

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Outcome
from tproxy.core.events import Observer
from tproxy.core.leases import (
    LEASE_SECONDS,
    STORE,
    UNHEARD_SECONDS,
    BudgetState,
    Denial,
    Heard,
    Lease,
    LeaseId,
    Room,
    Want,
)
from tproxy.core.state import Clock
from tproxy.state.archive import Archive, lease_id
from tproxy.state.books import NOTHING, Sizes, sizes
from tproxy.state.drift import Drifts
from tproxy.state.journal import Journal
from tproxy.state.ledger import Ledger
from tproxy.state.moments import Moment
from tproxy.state.plans import Plan
from tproxy.state.writing import Writer

_RETRY = 1.0  # seconds, told to those who cannot be counted
_ABOUT = 600.0  # seconds
_UNCOUNTED = LeaseId("")
_HIGH = ((), (True,))  # what a change says of it


def boot_id(clock: Clock) -> str:
    """A name for the present run of the machine's steady clock."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:  # not Linux; about when it began will do
        return f"about {(clock.wall() - clock.steady()) // _ABOUT}"


@attrs.define(eq=False)
class SqliteQuotas:
    """`core.leases.QuotaStore` in a file.

    If the file fails while serving, nothing is admitted that cannot be stored. What is
    to be stored about requests under way is kept, and written when the file is back.

    Raises:
        Unusable: there is no such file and none can be made, or it is not ours.
    """

    _path: Path
    _clock: Clock
    _observer: Observer
    _boot: str | None = None  # see `Journal`
    _journal: Journal = attrs.field(init=False)
    _writer: Writer = attrs.field(init=False)
    _drifts: Drifts = attrs.field(init=False)
    _reached: dict[LeaseId, float] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        boot = self._boot or boot_id(self._clock)
        self._journal = Journal(self._path, self._clock, boot)
        self._writer = Writer(self._journal, self._path, self._observer)
        self._drifts = Drifts(self._observer)

    def close(self) -> None:
        self._writer.close()
        self._journal.close()

    @property
    def away(self) -> bool:
        """The file cannot be written."""
        return self._writer.away

    async def reserve(
        self,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Lease | Denial:
        before = self._journal.archive.ledger
        known = before.plan(budgets, high=cost.high)
        if known.unlimited and not any(book.rest.guess for book, _ in known.books):
            denial = before.denial(known, sizes(cost), self._journal.now())
            return denial or Lease(_UNCOUNTED, known.budgets, cost)

        def take(archive: Archive, now: Moment) -> Lease | Denial:
            ledger = archive.ledger
            same = ledger is before
            plan = known if same else ledger.plan(budgets, high=cost.high)
            return self._take(archive, plan, cost, lease_seconds, now)

        def give_back(result: Lease | Denial | None) -> None:
            if isinstance(result, Lease):
                self._owe("release", result.id)

        return await self._writer.do(take, give_back) or Denial("", STORE, _RETRY)

    def reached(self, lease: Lease) -> None:
        if lease.id:
            self._reached[lease.id] = self._journal.steady()

    def split(self, part: Lease, rest: Lease) -> None:
        if rest.id:
            if rest.id in self._reached:
                self._reached[part.id] = self._reached[rest.id]
            names = [budget.name for budget in part.budgets]
            self._owe("split", rest.id, part.id, names)

    async def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
        *,
        heard: bool = True,
    ) -> None:
        if lease.id:
            end = self._journal.steady() + (0.0 if heard else UNHEARD_SECONDS)
            head = self._reached.pop(lease.id, end)
            cost = sizes(lease.cost if actual is None else actual)
            self._owe("settle", lease.id, cost, outcome.value, head, end)
            if self._takes_more(lease, cost):
                await self._writer.pay()

    async def release(self, lease: Lease) -> None:
        if lease.id:
            self._reached.pop(lease.id, None)
            self._owe("release", lease.id)

    async def extend(
        self, leases: Sequence[Lease], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        ids = [lease.id for lease in leases if lease.id]
        reached = [(key, self._reached[key]) for key in ids if key in self._reached]
        if ids:
            self._owe("extend", ids, lease_seconds, reached)
        await self._writer.pay()

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        self._owe_of(budget, "rest", seconds)
        await self._writer.pay()
        ledger = self._journal.reading().ledger  # as it was, if it was not stored
        return ledger.state(budget, self._journal.now()).resting_for

    async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
        said = [(h.unit.value, h.window.key, h.left, h.resets_in) for h in heard]

        def learn(archive: Archive, now: Moment) -> None:
            self._write_now(budget, now, "learn", said)
            self._drifts.look(budget, archive.ledger.drifts(budget))

        self._writer.owe(learn)

    async def waits(self, wants: Sequence[Want]) -> list[float]:
        ledger, now = await self._look(owing=True)
        waits = ledger.waits(wants, now)
        if self._writer.owes and any(waits):  # perhaps just for that
            ledger, now = await self._look()
            waits = ledger.waits(wants, now)
        return waits

    async def headroom(self, wants: Sequence[Want]) -> list[float]:
        ledger, now = await self._look(owing=True)  # no more than there is
        return ledger.headroom(wants, now)

    async def room(
        self, budgets: Sequence[Budget], cost: Cost = ONE
    ) -> tuple[Room, ...]:
        ledger, now = await self._look()
        plan = ledger.plan(budgets, high=cost.high)
        ledger.denial(plan, NOTHING, now)  # looks at all
        return plan.rooms(now)

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        ledger, now = await self._look()
        return tuple(ledger.state(budget, now) for budget in budgets)

    async def _look(self, *, owing: bool = False) -> tuple[Ledger, Moment]:
        """The ledger, with what others have written and, unless `owing`, we owe."""
        archive, now = self._journal.reading(), self._journal.now()
        # To sweep is to change it.
        if archive.ledger.overdue(now) or (self._writer.owes and not owing):
            await self._writer.pay()
            now = self._journal.now()
        return self._journal.archive.ledger, now

    def _take(
        self,
        archive: Archive,
        plan: Plan,
        cost: Cost,
        lease_seconds: float,
        now: Moment,
    ) -> Lease | Denial:
        ledger = archive.ledger
        try:
            numbers = archive.numbers_of(plan)
        except KeyError:
            self._journal.introduce(now, plan.budgets)
            numbers = archive.numbers_of(plan)
        wanted = sizes(cost)
        denial = ledger.denial(plan, wanted, now)
        if denial is not None:
            budget = ledger.in_vain(plan, denial, now)
            if budget is not None:
                self._write_now(budget, now, "wish", wanted, *_HIGH[cost.high])
            return denial
        said = (numbers, wanted, lease_seconds, *_HIGH[cost.high])
        lease = lease_id(self._journal.write(now, "take", *said))
        return Lease(lease, plan.budgets, cost, plan.rooms(now))

    def _takes_more(self, lease: Lease, cost: Sizes) -> bool:
        """Whether it cost more than was reserved, of what anybody counts."""
        if not any(map(operator.gt, cost, sizes(lease.cost))):
            return False
        ledger = self._journal.archive.ledger
        held = ledger.held.get(lease.id) or ledger.late.get(lease.id)
        return held is not None and any(
            cost[line.index] > held.sizes[line.index] for line in held.plan.counted
        )

    def _owe(self, what: str, *said: object) -> None:
        def work(_: Archive, now: Moment) -> None:
            self._journal.write(now, what, *said)

        self._writer.owe(work)

    def _owe_of(self, budget: Budget, what: str, *said: object) -> None:
        self._writer.owe(lambda _, now: self._write_now(budget, now, what, *said))

    def _write_now(self, budget: Budget, now: Moment, what: str, *said: object) -> None:
        journal = self._journal
        journal.introduce(now, (budget,))
        journal.write(now, what, journal.archive.numbers[budget], *said)
