"""What a system made of each question, as JSON lines: enough to compute every metric again without the models.

Knows files and rows; knows nothing of systems or metrics. A line is written at once, so a killed run loses at most the
question it was at.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from qa.errors import InputError

PREDICTIONS = "predictions.jsonl"
RUN = "run.json"

Row = dict[str, Any]


def read_predictions(file: Path) -> list[Row]:
    """Return the rows of ``predictions.jsonl``.

    Raises:
        InputError: there is no such file, or a line of it is damaged.
    """
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error}") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise InputError(f"line {number} of {file} is damaged. {_remedy(file.parent)}") from error
    return rows


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Make ``folder`` and keep other runs out of it.

    Raises:
        InputError: the folder cannot be made, or another process runs in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "run.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"another evaluation writes to {folder}. Wait for it, or name another --out"
        ) from None
    except OSError as error:
        raise InputError(f"{folder} cannot be written to: {error}. Name another --out") from error
    try:
        yield
    finally:
        lock.release()


def resume(folder: Path, run: Mapping[str, Any], ids: Sequence[str]) -> list[Row]:
    """Return the rows that a run in ``folder`` has already; begin one if there is none.

    A last line that was cut off is taken away, in the file too.

    Args:
        folder: of the run.
        run: what makes two runs the same: question set, index, settings.
        ids: of the questions, in the order in which they are asked.

    Raises:
        InputError: another run is in there, or one that is damaged.
    """
    record, file = folder / RUN, folder / PREDICTIONS
    if not record.exists():
        if file.exists():
            raise InputError(f"{file} is there, but not the {RUN} that says of what. {_remedy(folder)}")
        _replace(record, json.dumps(run, ensure_ascii=False, indent=2) + "\n")
        return []
    try:
        stored = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{record} cannot be read ({error}). {_remedy(folder)}") from error
    if stored != run:
        changed = sorted(name for name in {*stored, *run} if stored.get(name) != run.get(name))
        details = ", ".join(f"{name}: {stored.get(name)!r} against {run.get(name)!r}" for name in changed)
        raise InputError(f"{folder} holds a run of something else ({details}). {_remedy(folder)}")
    if not file.exists():
        return []
    _repair(file)
    rows = read_predictions(file)
    if [row.get("id") for row in rows] != list(ids[: len(rows)]):
        raise InputError(f"{file} answers other questions than these. {_remedy(folder)}")
    return rows


@contextmanager
def appending(folder: Path) -> Iterator[Writer]:
    """Open ``predictions.jsonl`` of ``folder`` to add rows."""
    with (folder / PREDICTIONS).open("a", encoding="utf-8", newline="\n") as file:
        yield Writer(file)


class Writer:
    """Adds rows, each with one write that reaches the system before the next question is asked."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, row: Row) -> None:
        """Add ``row``."""
        self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._file.flush()


def write_text(file: Path, parts: Iterable[str]) -> None:
    """Write ``file`` whole or not at all."""
    _replace(file, "".join(parts))


def _repair(file: Path) -> None:
    """Cut the file after its last whole line."""
    content = file.read_bytes()
    sound = content.rfind(b"\n") + 1
    if sound < len(content):
        with file.open("r+b") as stream:
            stream.truncate(sound)


def _replace(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8", newline="\n")
    os.replace(part, file)


def _remedy(folder: Path) -> str:
    return f"Name another folder: --out DIR, or remove {folder} to begin anew"
