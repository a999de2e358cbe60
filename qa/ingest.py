"""Paths given by the user to a changed index, with a report.

Joins reading, the writer and the encoder; knows nothing of searching.
"""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qa.corpus import read_articles
from qa.types import Article, Encoder, Skip
from qa.writable_store import Change
from qa.writer import IndexWriter, location_of

Progress = Callable[[int], None]
"""Told how many more articles are done."""


@dataclass(slots=True)
class Report:
    """What an indexing run did: articles by change, what was skipped and why, and how many were pruned."""

    changes: Counter[Change] = field(default_factory=Counter)
    skips: list[Skip] = field(default_factory=list)
    pruned: int = 0


def index_paths(
    paths: Sequence[Path],
    folder: Path,
    encoder: Encoder,
    *,
    model: str | None = None,
    prune: bool = False,
    rebuild: bool = False,
    progress: Progress = lambda count: None,
    report: Report | None = None,
) -> Report:
    """Bring the index in ``folder`` up to date with the files under ``paths``, making it if there is none.

    Args:
        paths: files, folders and archives.
        folder: the index.
        encoder: makes the vectors; must be the index's own unless ``rebuild``.
        model: how the encoder was named, remembered so that later commands load the same; ``None`` the default.
        prune: drop articles under ``paths`` whose file is gone.
        rebuild: make the index anew from ``paths`` alone; the old one stands until that has succeeded.
        progress: called as articles are done.
        report: filled in as the run goes on, for callers who want to know how far an interrupted one came.

    Raises:
        InputError: a path does not exist.
        StoreError: the index is locked, damaged or of another model.
    """
    report = report or Report()
    seen: set[str] = set()
    readers = [(path, read_articles([path])) for path in paths]

    def located() -> Iterator[tuple[str, Article]]:
        for path, items in readers:
            for item in items:
                if isinstance(item, Skip):
                    report.skips.append(item)
                    skipped.add(location_of(path, item.path))
                else:
                    location = location_of(path, item.path)
                    seen.add(location)
                    yield location, item

    skipped: set[str] = set()
    with IndexWriter.open(folder, encoder, model=model, rebuild=rebuild) as writer:
        for _, change in writer.replace_all(located()) if rebuild else writer.add(located()):
            report.changes[change] += 1
            progress(1)
        if prune:
            report.pruned = sum(writer.prune(path, seen, skipped) for path in paths)
    return report


def estimate_articles(paths: Sequence[Path]) -> int:
    """Return roughly how many articles the paths hold, at the cost of listing them: for a progress bar."""
    return sum(_estimate(file) for path in paths for file in _files(path))


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)


def _estimate(file: Path) -> int:
    suffix = file.suffix.lower()
    try:
        if suffix in (".jsonl", ".csv"):
            with file.open("rb") as stream:
                return sum(block.count(b"\n") for block in iter(lambda: stream.read(1 << 20), b"")) or 1
        if suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                return len(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return 1  # the reader will say what is wrong with it
    return 1
