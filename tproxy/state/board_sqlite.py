"""The board of the processes of one host: a file of its own, beside that of quotas.

What is on it is worth nothing once they are all gone. So it is never waited for on the
disk, whoever opens it alone begins anew, and moments are of the machine's steady clock.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import attrs

from tproxy.core.state import Clock
from tproxy.core.windows import seconds_until
from tproxy.state.board import BoardLost, Note
from tproxy.state.journal import connect

T = TypeVar("T")

_FORMAT = 1
_TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, said TEXT, at REAL);
CREATE TABLE IF NOT EXISTS taken (name TEXT PRIMARY KEY, at REAL);
PRAGMA user_version = {_FORMAT};
COMMIT;
"""
_ANEW = """
BEGIN IMMEDIATE;
DROP TABLE IF EXISTS note;
DROP TABLE IF EXISTS taken;
PRAGMA user_version = 0;
COMMIT;
"""
_TAKE = """
INSERT INTO taken VALUES (:name, :now) ON CONFLICT (name)
DO UPDATE SET at = :now WHERE at + :seconds <= :now OR at > :now + 1
"""  # a second ahead: of another clock, which must not make anybody wait
_OPENING = 0.05  # seconds for the lock
_PAUSES = (0.0, 0.001, 0.002, 0.005, 0.01, 0.02)  # whoever has it has it for some 50 µs


@attrs.define(eq=False)
class SqliteBoard:
    """`state.board.Board` in a file."""

    _path: Path
    _clock: Clock
    _db: sqlite3.Connection | None = attrs.field(default=None, init=False)
    _taken: dict[str, float] = attrs.field(factory=dict, init=False)

    async def post(self, name: str, said: str | None) -> None:
        def post(db: sqlite3.Connection, now: float) -> None:
            if said is None:
                db.execute("DELETE FROM note WHERE name = ?", (name,))
            else:
                row = (name, said, now)
                db.execute("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", row)

        await self._patiently(post)

    async def notes(self) -> Mapping[str, Note]:
        def read(db: sqlite3.Connection, now: float) -> dict[str, Note]:
            rows = db.execute("SELECT name, said, at FROM note")
            return {name: Note(said, max(now - at, 0.0)) for name, said, at in rows}

        return await self._patiently(read)

    async def take(self, name: str, seconds: float) -> float:
        def take(db: sqlite3.Connection, now: float) -> float:
            said = {"name": name, "seconds": seconds, "now": now}
            if db.execute(_TAKE, said).rowcount:
                self._taken[name] = now
                return 0.0
            select = "SELECT at FROM taken WHERE name = ?"
            row = db.execute(select, (name,)).fetchone()
            # It may just have been given back.
            return 0.001 if row is None else seconds_until(row[0] + seconds, now)

        return await self._patiently(take)

    async def give_back(self, name: str) -> None:
        at = self._taken.pop(name, None)

        def give_back(db: sqlite3.Connection, now: float) -> None:
            db.execute("DELETE FROM taken WHERE name = ? AND at = ?", (name, at))

        await self._patiently(give_back)

    async def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    async def _patiently(self, work: Callable[[sqlite3.Connection, float], T]) -> T:
        """Raises BoardLost where the file fails, or is locked for too long."""
        pauses = iter(_PAUSES)
        while True:
            try:
                if self._db is None:
                    self._db = _opened(self._path)
                return work(self._db, self._clock.steady())
            except (sqlite3.Error, OSError) as error:
                is_locked = _is_locked(error)
                pause = next(pauses, None) if is_locked else None
                if not is_locked:
                    await self.close()  # another connection may do better
                if pause is None:
                    raise BoardLost(f"{self._path}: {error}") from error
            await asyncio.sleep(pause)


def _opened(path: Path) -> sqlite3.Connection:
    """Raises sqlite3.Error or OSError."""
    path.touch(0o600)
    with suppress(sqlite3.OperationalError):  # others have it open
        _begin_anew(path)
    db = connect(path, _OPENING)
    try:
        [found] = db.execute("PRAGMA user_version").fetchone()
        if found not in (0, _FORMAT):
            raise sqlite3.DatabaseError("of another version")
        db.executescript(_TABLES)
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA wal_autocheckpoint = 100")  # without the disk it is quick
        db.execute("PRAGMA busy_timeout = 0")
    except BaseException:
        db.close()
        raise
    return db


def _begin_anew(path: Path) -> None:
    """Raises sqlite3.OperationalError unless nobody else has the file open.

    That is what it takes to leave the WAL mode, in which it is whenever it is open.
    """
    db = sqlite3.connect(path, timeout=0.0, isolation_level=None)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # until it is closed
        db.execute("PRAGMA journal_mode = DELETE")
        db.executescript(_ANEW)
    finally:
        db.close()


def _is_locked(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0)  # those of our own have none
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
