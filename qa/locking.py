"""Who may write to an index folder, and folders that vanish with their process.

Both rest on file locks (filelock), which the system drops when a process dies, however it dies.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from qa.errors import IndexLockedError

_PREFIX = "tanya-private-"
_ALIVE = "alive.lock"
_REMOVAL_TRIES = 5
_REMOVAL_PAUSE = 0.02
"""Seconds between two tries."""


def lock_folder(folder: Path) -> FileLock:
    """Take the writer lock of an index folder, at once or not at all.

    Raises:
        IndexLockedError: another process has it; its PID is named.
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Not thread-local: whoever closes an index may be another thread than the one that opened it.
    lock = FileLock(folder / "writer.lock", thread_local=False)
    note = folder / "writer.pid"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        owner = note.read_text().strip() if note.exists() else "(unknown)"
        raise IndexLockedError(
            f"process {owner} is writing to the index in {folder}. Wait for it to end, then run the command again"
        ) from None
    note.write_text(f"{os.getpid()}\n")
    return lock


class PrivateFolder:
    """A temporary folder of one process; those left by processes that were killed are swept at the next create."""

    def __init__(self, path: Path, alive: FileLock) -> None:
        self.path = path
        self._alive = alive

    @classmethod
    def create(cls) -> Self:
        """Make a new private folder, sweeping dead ones."""
        for leftover in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
            _sweep(leftover)
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            alive = FileLock(path / _ALIVE, thread_local=False)
            try:
                alive.acquire()
            except FileNotFoundError:
                continue  # swept by another process in the moment before it was locked
            path.chmod(0o700)  # the lock makes a folder that was swept again, open to everybody
            return cls(path, alive)

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        self._alive.release()
        remove_folder(self.path)


def remove_folder(folder: Path) -> None:
    """Delete a folder that nobody needs any more, as far as the system lets us.

    tantivy's watcher may make a file in it at that very moment (in 14 of 100 trials), so it is tried a few times.
    """
    for _ in range(_REMOVAL_TRIES):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(_REMOVAL_PAUSE)


def _sweep(leftover: Path) -> None:
    try:
        # No lock file yet means that its process is just making the folder.
        if not (leftover / _ALIVE).exists():
            return
        lock = FileLock(leftover / _ALIVE, thread_local=False)
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        return  # alive, or another user's
    # Deleted before it is let go, so that nobody can take what is being deleted.
    remove_folder(leftover)
    lock.release()
