"""Keeps vectors on disk, so that a bench that is run again encodes nothing twice."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from embeddings.encoder import SentenceEncoder, Vectors
from embeddings.errors import DataError

_CHUNK = 4_096
"""Texts a cache file; an interrupted run loses one at most."""


class VectorCache:
    """Vectors on disk, by what the model is and what the texts are, so that no text is encoded twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def through(
        self, encoder: SentenceEncoder, kind: Literal["queries", "passages"]
    ) -> Callable[[list[str]], Vectors]:
        """Return the encoder's function for ``kind``, which looks here first and keeps here what it computes."""
        encode = encoder.encode_queries if kind == "queries" else encoder.encode_passages
        model = _sha256(json.dumps([encoder.fingerprint, encoder.dtype, kind], sort_keys=True))

        def cached(texts: list[str]) -> Vectors:
            chunks = [texts[start : start + _CHUNK] for start in range(0, len(texts), _CHUNK)]
            parts = []
            for done, chunk in enumerate(chunks):
                progress(f"{encoder.fingerprint['name']}: {done * _CHUNK:,} of {len(texts):,} {kind}")
                parts.append(self._vectors(model, chunk, encode, encoder.dimension))
            return np.concatenate(parts)

        return cached

    def _vectors(
        self, model: str, texts: list[str], encode: Callable[[list[str]], Vectors], dimension: int
    ) -> Vectors:
        file = self._folder / f"{model[:16]}-{_sha256(json.dumps(texts))[:32]}.npy"
        if file.exists():
            return _read_vectors(file, (len(texts), dimension))
        vectors = encode(texts)
        self._folder.mkdir(parents=True, exist_ok=True)
        # Complete or not at all: a run that is stopped leaves no half of a file under its name.
        unfinished = file.with_suffix(f".{os.getpid()}.unfinished")
        with unfinished.open("wb") as stream:
            np.save(stream, vectors, allow_pickle=False)
        unfinished.replace(file)
        return vectors


def _read_vectors(file: Path, shape: tuple[int, int]) -> Vectors:
    try:
        vectors = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{file} cannot be read as vectors ({error}). Delete it and run again") from error
    if vectors.shape != shape or vectors.dtype != np.float32:
        raise DataError(
            f"{file} must hold float32 of shape {shape}, got {vectors.dtype} of {vectors.shape}. "
            "Delete it and run again"
        )
    found: Vectors = vectors
    return found


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def progress(text: str) -> None:
    """Show what is being done in one line of a terminal, or nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
