"""The folder a benchmark works in: what lies where, and what makes it unfit for reuse.

Knows paths and JSON; imports nothing heavy, so that the process that starts the others stays small.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FORMAT = "1"
"""Raised when what is prepared here changes, so that older folders are not taken for it."""

# The modules that making an index imports decide what it holds; those that only answer do not.
_LIST_SOURCES = (
    "import sys, embeddings.encoder, qa.ingest\n"
    "for name, module in sys.modules.items():\n"
    "    if name.split('.')[0] in ('embeddings', 'qa'): print(module.__file__)"
)


class BenchmarkError(Exception):
    """Something the user has to mend; the message says what and how."""


@dataclass(frozen=True, slots=True)
class Work:
    """One benchmark's folder, absolute."""

    root: Path

    @property
    def articles(self) -> Path:
        """The texts both systems index: JSON Lines of ``title`` and ``text``, one article each."""
        return self.root / "articles.jsonl"

    @property
    def prepared(self) -> Path:
        """What ``articles`` holds and the questions about it; written last, so its presence means it is whole."""
        return self.root / "prepared.json"

    @property
    def tanya(self) -> Path:
        """Tanya's index."""
        return self.root / "tanya"

    @property
    def tanya_progress(self) -> Path:
        """Seconds spent on Tanya's index so far, over all runs."""
        return self.root / "tanya-progress.json"

    @property
    def tanya_built(self) -> Path:
        """Figures of Tanya's finished index."""
        return self.root / "tanya-built.json"

    @property
    def baseline(self) -> Path:
        """The baseline's index."""
        return self.root / "baseline"

    @property
    def baseline_built(self) -> Path:
        """Figures of the baseline's finished index."""
        return self.root / "baseline-built.json"

    @property
    def scratch(self) -> Path:
        """Copies that a measurement changes; may be deleted at any time."""
        return self.root / "scratch"

    def figures(self, only: str | None = None) -> Path:
        """The raw figures of the last run; those of one that measured ``only`` a part lie beside them."""
        return self.root / (f"figures-{only}.json" if only else "figures.json")

    def baseline_vectors(self, part: int) -> Path:
        """The baseline's own vectors of one part of the sample, float32, shape ``(pieces, dimension)``."""
        return self.root / f"baseline-part-{part}.npy"


def find_work(out: Path, texts: Path | None, chunks: int, dtype: str = "auto") -> Work:
    """Return the folder under ``out`` for these texts, chunks and number format and the code as it is now, making it.

    The number format counts because the time to index in it is kept there.
    """
    digest = hashlib.sha256()
    for piece in (FORMAT, str(chunks), dtype, _hash_of_texts(texts), code_fingerprint()):
        digest.update(piece.encode() + b"\0")
    root = out.resolve() / digest.hexdigest()[:12]
    root.mkdir(parents=True, exist_ok=True)
    return Work(root)


@cache
def code_fingerprint() -> str:
    """Return the SHA-256 of the source files that decide what an index holds; listed in a process of its own."""
    listed = subprocess.run(
        [sys.executable, "-c", _LIST_SOURCES], check=True, capture_output=True, text=True
    ).stdout.split("\n")
    return _hash_of_files(sorted(Path(line) for line in listed if line))


def read_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    building = path.with_name(f".{path.name}.{os.getpid()}")
    building.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    building.replace(path)


def folder_bytes(folder: Path) -> int:
    """Return the sum of the sizes of the files under ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _hash_of_texts(texts: Path | None) -> str:
    if texts is None:
        from qa.config import sample_folder

        return _hash_of_files(sorted(path for path in sample_folder().rglob("*") if path.is_file()))
    if not texts.is_file():
        raise BenchmarkError(
            f"there is no file {texts}. Name JSON Lines, plain or gzipped: --texts FILE.jsonl.gz"
        )
    return _hash_of_files([texts])


def _hash_of_files(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0")
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
