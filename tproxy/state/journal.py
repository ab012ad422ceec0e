"""A file in which several processes of one host keep one ledger.

The file is a journal of changes. Each process has a copy of the ledger in its memory;
before it changes anything, it takes the write lock and reads what others have written
since. So a transaction is short and writes one row, whatever it changes, and the
arithmetic is that of one process. Changes are numbered, and rows by their last change.
Now and then the whole ledger is written and the past forgotten.

In WAL mode with `synchronous = NORMAL` a commit is in the hands of the system when it
returns, so that a process that is killed loses nothing. After a power failure the last
commits may be missing; the file is whole. Only a checkpoint waits for the disk.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import attrs

from tproxy.core.budget import Budget
from tproxy.core.state import Clock
from tproxy.state.archive import Archive, introduction, read_row, row_of, told
from tproxy.state.moments import Moment

T = TypeVar("T")

_FORMAT = 4
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS change (seq INTEGER PRIMARY KEY, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (seq INTEGER PRIMARY KEY, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS boot (id TEXT PRIMARY KEY, ahead REAL NOT NULL);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""
_WHOLE_EVERY = 20_000  # changes
_OPENING = 5.0  # seconds for the lock


class Unusable(Exception):
    """The file cannot serve; the message says why."""


@attrs.define(eq=False)
class Journal:
    """One process's end of the file. Not for several threads.

    `boot` differs whenever the machine's steady clock has begun anew; the journal's
    own goes on through that, and keeps to the wall clock of when it began.

    Raises:
        Unusable: there is no such file and none can be made, or it is not ours.
    """

    _path: Path
    _clock: Clock
    _boot: str
    _whole_every: int = _WHOLE_EVERY
    _name: str = attrs.field(init=False)
    _db: sqlite3.Connection = attrs.field(init=False)
    _file: tuple[int, int] = attrs.field(init=False)
    archive: Archive = attrs.field(factory=Archive, init=False)
    _seq: int = attrs.field(default=0, init=False)
    _ahead: float = attrs.field(default=0.0, init=False)  # of the machine's clock
    _doubtful: bool = attrs.field(default=True, init=False)  # the copy may be wrong
    _told: list[str] = attrs.field(factory=list, init=False)  # since `transact`

    def __attrs_post_init__(self) -> None:
        self._name = os.fspath(self._path)
        try:
            self._db = connect(self._path, _OPENING)
            self._file = _identity(self._name)
            try:
                self._set_up()
            except BaseException:
                self._db.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise Unusable(f"{self._path}: {error}") from error

    def close(self) -> None:
        self._db.close()

    def be_patient(self, seconds: float) -> None:
        """From now on `transact` waits so long for the lock, and all with it."""
        self._db.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")

    def steady(self) -> float:
        return max(self._clock.steady() + self._ahead, self.archive.last)

    def now(self) -> Moment:
        return self.archive.calm.moment(self.steady(), self._clock.wall())

    def transact(self, work: Callable[[Archive, Moment], T]) -> T:
        """Do it with the ledger as it is, while no other process can change it.

        Raises:
            sqlite3.Error: the lock is taken, or the file fails; nothing has changed.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            if _identity(self._name) != self._file:  # others would not see it
                raise sqlite3.OperationalError("the file was removed or replaced")
            self._read()
            now = self.now()
            if self.archive.calm.is_news(now):  # to those who are denied as well
                self.write(now, "see")
            result = work(self.archive, now)
            self._store(now)
            self._db.execute("COMMIT")
        except BaseException:
            self._doubtful = True
            self._told.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return result

    def reading(self) -> Archive:
        """The ledger, with all that was written until now if the file can be read."""
        with contextlib.suppress(sqlite3.Error):
            self._read()
        return self.archive

    def write(self, now: Moment, what: str, *said: object) -> int:
        """Within `transact`: make a change; its number names the lease it takes."""
        if not self._told:
            self.archive.begin(now)
        number = self._seq + 1
        self.archive.perform(number, now, what, said)
        self._told.append(told(what, said))
        self._seq = number
        return number

    def introduce(self, now: Moment, budgets: Iterable[Budget]) -> None:
        """Within `transact`: have changes know the budgets."""
        for budget in budgets:
            if budget not in self.archive.numbers:
                self.write(now, "budget", introduction(budget))

    def _store(self, now: Moment) -> None:
        """Put down what was written since the transaction began."""
        count = len(self._told)
        if not count:
            return
        said = row_of(now, self._told)
        self._db.execute("INSERT INTO change VALUES (?, ?)", (self._seq, said))
        self._told.clear()
        if self._seq % self._whole_every < count:
            self._forget_the_past()

    def _read(self) -> None:
        """Bring the copy up to date; from the beginning, if changes are missing."""
        if self._doubtful or not self._caught_up():
            self._read_whole()
            if not self._caught_up():
                self._doubtful = True
                raise sqlite3.DatabaseError("changes are missing")

    def _caught_up(self) -> bool:
        """Apply what is new; False where something between was forgotten."""
        select = "SELECT seq, said FROM change WHERE seq > ? ORDER BY seq"
        for number, said in self._db.execute(select, (self._seq,)):
            try:
                steady, wall, changes = read_row(said)
                if number - len(changes) != self._seq:
                    return False
                self._apply(self.archive.calm.moment(steady, wall), changes)
            except (ValueError, TypeError, LookupError) as error:
                self._doubtful = True
                raise sqlite3.DatabaseError(f"unreadable change: {error!r}") from error
        return True

    def _apply(self, now: Moment, changes: Iterable[Sequence[Any]]) -> None:
        self.archive.begin(now)
        for what, *said in changes:
            self.archive.perform(self._seq + 1, now, what, said)
            self._seq += 1

    def _read_whole(self) -> None:
        self._doubtful = True
        row = self._db.execute("SELECT seq, said FROM ledger").fetchone()
        self._seq, self.archive = 0, Archive()
        if row is not None:
            try:
                self._seq, self.archive = row[0], Archive.load(row[1])
            except (ValueError, TypeError, LookupError) as error:
                raise sqlite3.DatabaseError(f"unreadable ledger: {error!r}") from error
        self._doubtful = False

    def _forget_the_past(self) -> None:
        """The newest row stays, for others to see that they have missed some."""
        self._db.execute("DELETE FROM ledger")
        self._db.execute(
            "INSERT INTO ledger VALUES (?, ?)", (self._seq, self.archive.dump())
        )
        self._db.execute("DELETE FROM change WHERE seq < ?", (self._seq,))

    def _set_up(self) -> None:
        db = self._db
        db.execute("BEGIN")  # another process may be making the file just now
        [found] = db.execute("PRAGMA user_version").fetchone()
        [tables] = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        db.execute("COMMIT")
        if found != _FORMAT and (found or tables):
            raise sqlite3.DatabaseError("not a file of this version's state")
        db.executescript(_SCHEMA)
        db.execute("BEGIN IMMEDIATE")
        self._read()
        row = db.execute(
            "SELECT ahead FROM boot WHERE id = ?", (self._boot,)
        ).fetchone()
        if row is not None:
            self._ahead = row[0]
        else:
            begins = max(self._clock.wall(), self.archive.last)
            self._ahead = begins - self._clock.steady()
            db.execute("DELETE FROM boot")
            db.execute("INSERT INTO boot VALUES (?, ?)", (self._boot, self._ahead))
        now = self.now()
        if self.archive.calm.is_news(now):  # what a jump is counts from here
            self.write(now, "see")
            self._store(now)
        db.execute("COMMIT")
        db.execute("PRAGMA busy_timeout = 0")


def _identity(name: str) -> tuple[int, int]:
    """Which file that is; none of them where there is no such."""
    try:
        found = os.stat(name)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def connect(path: Path, patience: float) -> sqlite3.Connection:
    """Raises sqlite3.Error or OSError; the file is private to its owner."""
    path.touch(0o600)
    db = sqlite3.connect(path, timeout=patience, isolation_level=None)
    try:
        # A fresh file may be switched to WAL by several at once; SQLite does not wait.
        until = time.monotonic() + patience
        while True:
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > until:
                    raise
                time.sleep(0.01)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
    except BaseException:
        db.close()
        raise
    return db
