"""How a process comes to its transactions: it asks for the lock until it has it.

Whoever asks alone is served at once. Those who ask while the loop has not turned since,
or while another has the lock, are gathered and served together, in one transaction.

What may be written a little later is owed: it goes with the next transaction, or with
one of its own some milliseconds later. Until then others count it as it was before.
"""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs

from tproxy.core.events import Notice, Observer
from tproxy.core.leases import LEASE_SECONDS
from tproxy.state.archive import Archive
from tproxy.state.journal import Journal, connect
from tproxy.state.moments import Moment

T = TypeVar("T")

_CHECKPOINT_EVERY = 1_000  # transactions
_LONG_LOG = 4_000  # pages, of 4 KiB
_BRIEFLY = 5  # milliseconds
_TURNS = 4  # of the loop, each with a try; whoever has the lock has it for some 50 µs
_PAUSES = (0.001, 0.002, 0.004, 0.008, 0.016, 0.02)  # seconds, after that
_PATIENCE = 1.0  # seconds for the lock, all in all
_LATER = 0.015  # seconds that something is owed at most
_AWAY = 1.0  # seconds until a file that has failed is tried again
_MOST_OWED = 10_000

Work = Callable[[Archive, Moment], T]


@attrs.define(eq=False)
class _Asked(Generic[T]):
    """Somebody waits for the result, until that time of the loop; None: in vain."""

    work: Work[T]
    until: float
    answer: asyncio.Future[T | None]


@attrs.define(eq=False)
class Writer:
    """Makes transactions in a journal, and tells of it when they cannot be made.

    Owed work that cannot be done is kept until it can.
    """

    _journal: Journal
    _path: Path
    _observer: Observer
    _owed: deque[Work[None]] = attrs.field(
        factory=lambda: deque(maxlen=_MOST_OWED), init=False
    )
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)
    _asked: list[_Asked[Any]] = attrs.field(factory=list, init=False)
    _next: asyncio.Handle | None = attrs.field(default=None, init=False)  # `_serve`
    _tries: int = attrs.field(default=0, init=False)  # that have met a lock
    _away: bool = attrs.field(default=False, init=False)
    _sweeps_from: float = attrs.field(default=-math.inf, init=False)
    _writes: int = attrs.field(default=0, init=False)
    _thread: ThreadPoolExecutor = attrs.field(
        factory=lambda: ThreadPoolExecutor(1, "checkpoint"), init=False
    )
    _checkpoint: Future[None] | None = attrs.field(default=None, init=False)

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    @property
    def away(self) -> bool:
        """The last transaction could not be made."""
        return self._away

    def owe(self, work: Work[None]) -> None:
        """Do it with the next transaction, within some milliseconds."""
        self._owed.append(work)
        if self._timer is None:
            self._ring_in(_LATER)

    async def do(
        self, work: Work[T], unheard: Callable[[T | None], None] | None = None
    ) -> T | None:
        """The result of all that is owed and then of `work`, in one transaction.

        None where it cannot be stored; then nothing was done. Who is cancelled has
        done nothing either, or the result goes to `unheard`.
        """
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.call_soon(self._serve)
            try:
                return self._try((work,))[0]
            except sqlite3.Error as error:
                if not _is_locked(error):
                    self._lost(error)
                    return None
        asked = _Asked(work, loop.time() + _PATIENCE, loop.create_future())
        self._asked.append(asked)
        try:
            return await asked.answer
        except asyncio.CancelledError:
            if unheard is not None and not asked.answer.cancelled():
                unheard(asked.answer.result())
            raise
        finally:
            asked.answer.cancel()  # or it would still be done

    async def pay(self) -> None:
        """Write what is owed."""
        await self.do(_nothing)

    def ring(self) -> None:
        """What is owed is due: write it now, or try again in a while."""
        self._timer = None
        if not self._owed:
            return
        try:
            self._try(())
        except sqlite3.Error as error:
            if _is_locked(error):
                self._ring_in(_LATER)
            else:
                self._lost(error)
                self._ring_in(_AWAY)

    def close(self) -> None:
        """Write what is owed; what cannot be written is as if we had been killed."""
        for handle in (self._timer, self._next):
            if handle is not None:
                handle.cancel()
        if self._owed:
            with suppress(sqlite3.Error):
                self._journal.be_patient(_PATIENCE)
                self._try(())
        self._thread.shutdown()

    def _serve(self) -> None:
        """Do what was asked for since the last transaction, if anything."""
        self._next = None
        asked = [each for each in self._asked if not each.answer.done()]
        self._asked.clear()
        if not asked:
            self._tries = 0
            return
        loop = asyncio.get_running_loop()
        try:
            results = self._try([each.work for each in asked])
        except sqlite3.Error as error:
            refused = asked
            if _is_locked(error):
                self._asked = [each for each in asked if each.until > loop.time()]
                refused = asked[: len(asked) - len(self._asked)]
                self._next = self._again(loop)
            if refused:
                self._lost(error)
            for each in refused:
                each.answer.set_result(None)
        except Exception as error:  # noqa: BLE001 - theirs who have asked
            for each in asked:
                each.answer.set_exception(error)
        else:
            for each, result in zip(asked, results, strict=True):
                each.answer.set_result(result)
            self._next = loop.call_soon(self._serve)

    def _again(self, loop: asyncio.AbstractEventLoop) -> asyncio.Handle:
        self._tries += 1
        if self._tries < _TURNS:
            return loop.call_soon(self._serve)
        pause = _PAUSES[min(self._tries - _TURNS, len(_PAUSES) - 1)]
        pause *= 0.5 + random.random() / 2  # noqa: S311 - no secret
        return loop.call_later(pause, self._serve)

    def _ring_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.ring)

    def _try(self, works: Sequence[Work[T]]) -> list[T]:
        """Raises sqlite3.Error; then nothing was done."""

        def all_of_it(archive: Archive, now: Moment) -> list[T]:
            for owed in self._owed:  # first, for it may keep leases from expiring
                owed(archive, now)
            if archive.ledger.overdue(now) and now.steady >= self._sweeps_from:
                self._journal.write(now, "sweep")
            return [work(archive, now) for work in works]

        results = self._journal.transact(all_of_it)
        self._owed.clear()
        self._found()
        return results

    def _lost(self, error: sqlite3.Error) -> None:
        # Others may have been kept from extending their leases just as long.
        self._sweeps_from = self._journal.steady() + LEASE_SECONDS
        if not self._away:
            self._away = True
            problem = "quotas cannot be stored, so requests with quotas are refused"
            self._observer.emit(Notice("error", problem, {"why": str(error)}))

    def _found(self) -> None:
        if self._away:
            self._away = False
            self._observer.emit(Notice("info", "quotas can be stored again"))
        self._tries = 0
        self._writes += 1
        if self._writes % _CHECKPOINT_EVERY == 0 and (
            self._checkpoint is None or self._checkpoint.done()
        ):
            self._checkpoint = self._thread.submit(_checkpointed, self._path)


def _nothing(archive: Archive, now: Moment) -> None:
    pass


def _is_locked(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # those of our own have none
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _checkpointed(path: Path) -> None:
    """Move what was committed from the log into the file, and onto the disk.

    While others go on writing, the log grows; when it is long, they have to pause for
    as long as the last bit takes. For those who read an old state they do not: the log
    grows until these have ended.
    """
    with suppress(sqlite3.Error, OSError), closing(connect(path, _PATIENCE)) as db:
        _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if pages > _LONG_LOG:
            db.execute(f"PRAGMA busy_timeout = {_BRIEFLY}")  # others wait meanwhile
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
