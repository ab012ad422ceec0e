"""Quotas in a file, shared by the processes of one host.

A reservation takes about as long as handing it to a thread and back would, so it runs
on the event loop. A lock that another process holds is tried for again, not waited for.
Checkpoints wait for the disk, and have a thread.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import attrs

from tproxy.core.budget import ONE, Budget, Cost, Outcome
from tproxy.core.events import Notice, Observer
from tproxy.core.leases import (
    LEASE_SECONDS,
    STORE,
    BudgetState,
    Denial,
    Heard,
    Lease,
    LeaseId,
    Room,
)
from tproxy.core.state import Clock
from tproxy.state.archive import Archive
from tproxy.state.books import sizes
from tproxy.state.drift import Drifts
from tproxy.state.journal import Journal, connect
from tproxy.state.ledger import Ledger
from tproxy.state.moments import Moment

T = TypeVar("T")

_CHECKPOINT_EVERY = 1_000  # changes
_LONG_LOG = 4_000  # pages, of 4 KiB
_SPINS = 4  # tries at once; whoever has the lock has it for some 50 µs
_PAUSE = 0.001  # seconds, doubled up to
_LONGEST_PAUSE = 0.02
_PATIENCE = 1.0  # seconds for the lock, all in all
_RETRY = 1.0  # seconds, told to those who cannot be counted
_MOST_OWED = 10_000
_ABOUT = 600.0  # seconds
_UNCOUNTED = LeaseId("")
_HIGH = ((), (True,))  # what a change says of it

Work = Callable[[Archive, Moment], T]


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
    _drifts: Drifts = attrs.field(init=False)
    _reached: dict[LeaseId, float] = attrs.field(factory=dict, init=False)
    _owed: deque[Work[None]] = attrs.field(
        factory=lambda: deque(maxlen=_MOST_OWED), init=False
    )
    _away: bool = attrs.field(default=False, init=False)
    _writes: int = attrs.field(default=0, init=False)
    _thread: ThreadPoolExecutor = attrs.field(
        factory=lambda: ThreadPoolExecutor(1, "checkpoint"), init=False
    )
    _checkpoint: Future[None] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        boot = self._boot or boot_id(self._clock)
        self._journal = Journal(self._path, self._clock, boot)
        self._drifts = Drifts(self._observer)

    def close(self) -> None:
        self._thread.shutdown()
        self._journal.close()

    async def reserve(
        self,
        budgets: Sequence[Budget],
        cost: Cost = ONE,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Lease | Denial:
        ledger = self._journal.archive.ledger
        plan = ledger.plan(budgets, high=cost.high)
        if plan.unlimited and not any(book.rest.guess for book, _ in plan.books):
            denial = ledger.denial(plan, cost, self._journal.now())
            return denial or Lease(_UNCOUNTED, plan.budgets, cost)

        def take(archive: Archive, now: Moment) -> Lease | Denial:
            ledger = archive.ledger
            plan = ledger.plan(budgets, high=cost.high)
            denial = ledger.denial(plan, cost, now)
            if denial is not None:
                budget = ledger.in_vain(plan, denial, now)
                if budget is not None:
                    self._write_now(budget, now, "wish", sizes(cost), *_HIGH[cost.high])
                return denial
            try:
                numbers = archive.numbers_of(plan)
            except KeyError:
                self._journal.introduce(now, plan.budgets)
                numbers = archive.numbers_of(plan)
            said = (numbers, sizes(cost), lease_seconds, *_HIGH[cost.high])
            lease = self._journal.write(now, "take", *said)
            return Lease(lease, plan.budgets, cost, ledger.rooms(plan, now))

        return await self._patiently(take) or Denial("", STORE, _RETRY)

    def reached(self, lease: Lease) -> None:
        if lease.id:
            self._reached[lease.id] = self._journal.now().steady

    async def settle(
        self,
        lease: Lease,
        actual: Cost | None = None,
        outcome: Outcome = Outcome.ANSWER,
    ) -> None:
        if lease.id:
            at = self._reached.pop(lease.id, None) or self._journal.now().steady
            cost = sizes(lease.cost if actual is None else actual)
            await self._write("settle", lease.id, cost, outcome.value, at)

    async def release(self, lease: Lease) -> None:
        if lease.id:
            self._reached.pop(lease.id, None)
            await self._write("release", lease.id)

    async def extend(
        self, leases: Sequence[Lease], lease_seconds: float = LEASE_SECONDS
    ) -> None:
        ids = [lease.id for lease in leases if lease.id]
        reached = [(key, self._reached[key]) for key in ids if key in self._reached]
        if ids:
            await self._write("extend", ids, lease_seconds, reached)

    async def rest(self, budget: Budget, seconds: float | None) -> float:
        await self._write_of(budget, "rest", seconds)
        ledger = self._journal.archive.ledger
        return ledger.state(budget, self._journal.now()).resting_for

    async def learn(self, budget: Budget, heard: Sequence[Heard]) -> None:
        said = [(h.unit.value, h.window.key, h.left, h.resets_in) for h in heard]
        await self._write_of(budget, "learn", said)
        self._drifts.look(budget, self._journal.archive.ledger.drifts(budget))

    async def waits(
        self, groups: Sequence[Sequence[Budget]], cost: Cost = ONE
    ) -> list[float]:
        ledger, now = await self._look()
        plans = [ledger.plan(group, high=cost.high) for group in groups]
        denials = [ledger.denial(plan, cost, now) for plan in plans]
        return [0.0 if denial is None else denial.wait for denial in denials]

    async def room(
        self, budgets: Sequence[Budget], cost: Cost = ONE
    ) -> tuple[Room, ...]:
        ledger, now = await self._look()
        plan = ledger.plan(budgets, high=cost.high)
        ledger.denial(plan, cost, now)  # lets go of what is over
        return ledger.rooms(plan, now)

    async def snapshot(self, budgets: Sequence[Budget]) -> tuple[BudgetState, ...]:
        ledger, now = await self._look()
        return tuple(ledger.state(budget, now) for budget in budgets)

    async def _look(self) -> tuple[Ledger, Moment]:
        """The ledger, with all that others have written."""
        archive, now = self._journal.reading(), self._journal.now()
        if archive.ledger.overdue(now):  # to sweep is to change it
            await self._patiently(lambda archive, now: None)
        return self._journal.archive.ledger, self._journal.now()

    async def _write(self, what: str, *said: object) -> None:
        def work(_: Archive, now: Moment) -> None:
            self._journal.write(now, what, *said)

        await self._owe(work)

    async def _write_of(self, budget: Budget, what: str, *said: object) -> None:
        await self._owe(lambda _, now: self._write_now(budget, now, what, *said))

    def _write_now(self, budget: Budget, now: Moment, what: str, *said: object) -> None:
        journal = self._journal
        journal.introduce(now, (budget,))
        journal.write(now, what, journal.archive.numbers[budget], *said)

    async def _owe(self, work: Work[None]) -> None:
        """Do it now, or with whatever can be done next."""
        self._owed.append(work)
        await self._patiently(lambda archive, now: None)

    async def _patiently(self, work: Work[T]) -> T | None:
        """The result of `work` and of all that is owed, in one transaction.

        None where it cannot be stored; then nothing was done.
        """
        tries, waited, pause = 0, 0.0, _PAUSE
        while True:
            try:
                result = self._at_once(work)
            except sqlite3.Error as error:
                if not _is_locked(error) or waited >= _PATIENCE:
                    self._lost(error)
                    return None
            else:
                self._found()
                return result
            tries += 1
            if tries >= _SPINS:
                delay = pause * (0.5 + random.random() / 2)  # noqa: S311 - no secret
                await asyncio.sleep(delay)
                waited, pause = waited + delay, min(2 * pause, _LONGEST_PAUSE)

    def _at_once(self, work: Work[T]) -> T:
        with self._journal.writing() as (archive, now):
            for owed in self._owed:
                owed(archive, now)
            result = work(archive, now)
        self._owed.clear()
        return result

    def _lost(self, error: sqlite3.Error) -> None:
        if not self._away:
            self._away = True
            problem = "quotas cannot be stored, so requests with quotas are refused"
            self._observer.emit(Notice("error", problem, {"why": str(error)}))

    def _found(self) -> None:
        if self._away:
            self._away = False
            self._observer.emit(Notice("info", "quotas can be stored again"))
        self._writes += 1
        if self._writes % _CHECKPOINT_EVERY == 0 and (
            self._checkpoint is None or self._checkpoint.done()
        ):
            self._checkpoint = self._thread.submit(_checkpointed, self._path)


def _is_locked(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # those of our own have none
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _checkpointed(path: Path) -> None:
    """Move what was committed from the log into the file, and onto the disk.

    While others go on writing, the log grows; when it is long, they have to pause for
    as long as the last bit takes.
    """
    with suppress(sqlite3.Error, OSError), closing(connect(path, _PATIENCE)) as db:
        _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > _LONG_LOG:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
