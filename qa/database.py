"""SQLite connections and their errors, in the terms of this project.

Knows files and connections; knows nothing of tables.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qa.errors import IndexCorruptError, StoreError

# The disk or another process is in the way; whatever else SQLite reports about a store of ours is damage.
_OBSTACLES = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the database at ``path``; ``mode`` is ``"ro"``, ``"rw"`` or ``"rwc"`` (made if missing).

    Raises:
        IndexCorruptError: it is no database.
        StoreError: it cannot be opened.
    """
    # A folder we may not write to cannot hold the WAL's shared memory; nobody writes there, so it is not needed.
    frozen = (
        mode == "ro"
        and not os.access(path.parent, os.W_OK)
        and not path.with_name(path.name + "-wal").exists()
    )
    uri = f"{path.absolute().as_uri()}?mode={mode}{'&immutable=1' if frozen else ''}"
    with reporting(path):
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            if mode != "ro":
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def has_table(path: Path, table: str) -> bool:
    """Whether the database at ``path`` has this table."""
    connection = connect(path, "ro")
    try:
        with reporting(path):
            return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())
    finally:
        connection.close()


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ``IndexCorruptError``, or ``StoreError`` where the disk or a lock is in the way."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # a mistake of ours, not of the database
    except UnicodeDecodeError as error:  # Python could not even read what SQLite had to say
        raise damaged(path, str(error)) from error
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code is None or code & 0xFF not in _OBSTACLES or code == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise damaged(path, str(error)) from error
        raise StoreError(
            f"{path} cannot be read or written ({error}). See to the disk's free space and permissions, "
            "then run the command again"
        ) from error


def damaged(path: Path, what: str) -> IndexCorruptError:
    """Return the error that says how the database is damaged and what to do."""
    return IndexCorruptError(
        f"{path} is damaged ({what}). Restore it from a copy, or make it anew: "
        f"tanya index PATH --index {path.parent} --rebuild"
    )


def statements(script: str) -> Iterator[str]:
    """Yield the statements of an SQL script; ``executescript`` would commit before the first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
