"""How a process comes to its transactions: it asks for the lock until it has it.

What may be written a little later is owed: it goes with the next transaction, or with
one of its own some milliseconds later. Until then others count it as it was before.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import attrs

from tproxy.core.events import Notice, Observer
from tproxy.state.archive import Archive
from tproxy.state.journal import Journal, connect
from tproxy.state.moments import Moment

T = TypeVar("T")

_CHECKPOINT_EVERY = 1_000  # transactions
_LONG_LOG = 4_000  # pages, of 4 KiB
_SPINS = 4  # tries at once; whoever has the lock has it for some 50 µs
_PAUSE = 0.001  # seconds, doubled up to
_LONGEST_PAUSE = 0.02
_PATIENCE = 1.0  # seconds for the lock, all in all
_LATER = 0.015  # seconds that something is owed at most
_AWAY = 1.0  # seconds until a file that has failed is tried again
_MOST_OWED = 10_000

Work = Callable[[Archive, Moment], T]


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
    _away: bool = attrs.field(default=False, init=False)
    _writes: int = attrs.field(default=0, init=False)
    _thread: ThreadPoolExecutor = attrs.field(
        factory=lambda: ThreadPoolExecutor(1, "checkpoint"), init=False
    )
    _checkpoint: Future[None] | None = attrs.field(default=None, init=False)

    @property
    def owes(self) -> bool:
        return bool(self._owed)

    def owe(self, work: Work[None]) -> None:
        """Do it with the next transaction, within some milliseconds."""
        self._owed.append(work)
        if self._timer is None:
            self._ring_in(_LATER)

    async def do(self, work: Work[T]) -> T | None:
        """The result of all that is owed and then of `work`, in one transaction.

        None where it cannot be stored; then nothing was done.
        """
        tries, waited, pause = 0, 0.0, _PAUSE
        while True:
            try:
                return self._try(work)
            except sqlite3.Error as error:
                if not _is_locked(error) or waited >= _PATIENCE:
                    self._lost(error)
                    return None
            tries += 1
            if tries >= _SPINS:
                delay = pause * (0.5 + random.random() / 2)  # noqa: S311 - no secret
                await asyncio.sleep(delay)
                waited, pause = waited + delay, min(2 * pause, _LONGEST_PAUSE)

    async def pay(self) -> None:
        """Write what is owed."""
        await self.do(_nothing)

    def ring(self) -> None:
        """What is owed is due: write it now, or try again in a while."""
        self._timer = None
        if not self._owed:
            return
        try:
            self._try(_nothing)
        except sqlite3.Error as error:
            if _is_locked(error):
                self._ring_in(_LATER)
            else:
                self._lost(error)
                self._ring_in(_AWAY)

    def close(self) -> None:
        """Write what is owed; what cannot be written is as if we had been killed."""
        if self._timer is not None:
            self._timer.cancel()
        if self._owed:
            with suppress(sqlite3.Error):
                self._journal.be_patient(_PATIENCE)
                self._try(_nothing)
        self._thread.shutdown()

    def _ring_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.ring)

    def _try(self, work: Work[T]) -> T:
        """Raises sqlite3.Error; then nothing was done."""
        with self._journal.writing() as (archive, now):
            for owed in self._owed:
                owed(archive, now)
            result = work(archive, now)
        self._owed.clear()
        self._found()
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


def _nothing(archive: Archive, now: Moment) -> None:
    pass


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
