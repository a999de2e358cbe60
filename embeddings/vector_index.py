"""Nearest neighbours: unit vectors in, (ids, scores) out.

Knows arrays and integers, nothing of text or articles. The search is exhaustive over bfloat16 codes: exact up
to rounding, no training, any filter at no loss. Beyond about a million vectors an inverted file would take
over behind the same methods; ``load`` is the one place that looks at what a file holds. FAISS's
``distance_compute_blas_threshold`` is left alone: it speeds up batches on float32 indexes only (measured).
"""

from __future__ import annotations

import hashlib
import importlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import VectorIndexError

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

# Rounding a unit vector to 16 bits (bfloat16 at worst) moves its length by less than 0.4 %.
UNIT_TOLERANCE = 0.005


class VectorIndex:
    """Exhaustive inner-product search over unit vectors.

    Searching from several threads at once is safe; ``add`` must not run beside a search.
    """

    def __init__(self, index: Any, sorted_ids: Ids) -> None:
        """Wrap a FAISS ``IndexIDMap``; use ``empty``, ``build`` or ``load`` instead."""
        self._index = index
        self._sorted_ids = sorted_ids

    @classmethod
    def empty(cls, dimension: int) -> VectorIndex:
        """Return an index without vectors, to be filled by ``add``.

        Raises:
            VectorIndexError: ``dimension`` is not positive.
        """
        faiss = _faiss()
        if dimension < 1:
            raise VectorIndexError(f"The dimension of a vector index must be at least 1, got {dimension}.")
        codes = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_bf16, faiss.METRIC_INNER_PRODUCT
        )
        return cls(faiss.IndexIDMap(codes), np.empty(0, dtype=np.int64))

    @classmethod
    def build(cls, ids: Ids, vectors: Vectors) -> VectorIndex:
        """Return an index of ``vectors``, float32 unit rows (n, dimension), under ``ids``, int64 (n,).

        Raises:
            VectorIndexError: as ``add``.
        """
        index = cls.empty(_matrix(vectors, "vectors").shape[1])
        index.add(ids, vectors)
        return index

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, sha256: str, dimension: int | None = None) -> VectorIndex:
        """Read an index that ``save`` wrote.

        The file is read once and parsed from the bytes whose checksum was compared, because FAISS takes a
        flipped bit for data and may abort the process over a forged header.

        Args:
            path: the file.
            sha256: the hex digest that ``save`` returned for it.
            dimension: the length of a vector that the caller expects, if it matters.

        Raises:
            VectorIndexError: the file is missing, unreadable, damaged or not of the kind written here.
        """
        file = Path(path)
        try:
            data = file.read_bytes()
        except OSError as error:
            raise VectorIndexError(f"The vector index {file} cannot be read: {error.strerror}.") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256.lower():
            raise VectorIndexError(
                f"The vector index {file} is damaged: its SHA-256 must be {sha256}, got {found}."
            )
        faiss = _faiss()
        try:
            index = faiss.read_index(faiss.PyCallbackIOReader(io.BytesIO(data).read))
        except RuntimeError as error:
            raise VectorIndexError(f"{file} is not a vector index: FAISS could not parse it.") from error
        return cls(index, _checked_ids(index, file, dimension))

    def __len__(self) -> int:
        return len(self._sorted_ids)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self._index.d)

    @property
    def ids(self) -> Ids:
        """All ids, ascending, int64 (n,); a copy."""
        return self._sorted_ids.copy()

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors; all of them or, on an error, none.

        Args:
            ids: int64 (n,), not negative, each new to this index.
            vectors: float32 (n, dimension), unit rows.

        Raises:
            VectorIndexError: a wrong shape, type or length, a value that is not finite, or a duplicate id.
        """
        vectors = _unit_rows(vectors, self.dimension, "vectors")
        ids = _id_array(ids, "ids")
        if len(ids) != len(vectors):
            raise VectorIndexError(
                f"ids and vectors must be equally many, got {len(ids)} and {len(vectors)}."
            )
        new = np.sort(ids)
        if len(new) and new[0] < 0:
            raise VectorIndexError(f"ids must not be negative, got {new[0]}.")
        places = np.searchsorted(self._sorted_ids, new)
        known = np.append(self._sorted_ids, -1)[places] == new
        known[1:] |= new[1:] == new[:-1]
        if known.any():
            raise VectorIndexError(f"ids must be new to the index, got {new[known][0]} twice.")
        if len(new):
            self._index.add_with_ids(vectors, ids)
            self._sorted_ids = np.insert(self._sorted_ids, places, new)

    def search(
        self, queries: Vectors, k: int, *, allowed: Ids | None = None, excluded: Ids | None = None
    ) -> list[tuple[Ids, Vectors]]:
        """Return the nearest vectors of each query, best first, equal scores by ascending id.

        Args:
            queries: float32 (q, dimension), unit rows.
            k: how many results at most, at least 1.
            allowed: int64 (m,); only these ids may be returned. None allows all, an empty array none.
            excluded: int64 (m,); these ids are not returned.

        Returns:
            One pair per query: ids int64 (m,) and scores float32 (m,), m <= k. A score is the cosine up to
            the rounding of the stored vector to bfloat16, so it may pass 1 by a few thousandths.

        Raises:
            VectorIndexError: a wrong shape, type or length, or a value that is not finite.
        """
        queries = _unit_rows(queries, self.dimension, "queries")
        if k < 1:
            raise VectorIndexError(f"k must be at least 1, got {k}.")
        with_filter = _Filter(allowed, excluded)
        results: list[tuple[Ids, Vectors]] = [
            (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)) for _ in range(len(queries))
        ]
        pending = list(range(len(queries))) if len(self) and not with_filter.refuses_all else []
        wanted = k + 1
        while pending:
            wanted = min(wanted, len(self))
            scores, ids = self._index.search(queries[pending], wanted, params=with_filter.parameters)
            undecided = []
            for row, query in enumerate(pending):
                found = ids[row] >= 0
                if found.all() and k < wanted < len(self) and scores[row, k - 1] == scores[row, -1]:
                    # Equal scores run past the end of the list: which of them have the lowest ids is open.
                    undecided.append(query)
                    continue
                row_ids, row_scores = ids[row][found], scores[row][found]
                order = np.lexsort((row_ids, -row_scores))[:k]
                results[query] = (row_ids[order], row_scores[order])
            pending = undecided
            wanted *= 2
        return results

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the index to ``path``, through to the disk, and return the SHA-256 of the file in hex.

        The write is not atomic: write beside the old file and rename.

        Raises:
            OSError: the file cannot be written.
        """
        faiss = _faiss()
        digest = hashlib.sha256()
        failures: list[OSError] = []
        with open(path, "wb") as file:

            def write(block: bytes) -> int:
                try:
                    file.write(block)
                except OSError as error:
                    # FAISS would report only that a write failed; the cause is raised below.
                    failures.append(error)
                    return 0
                digest.update(block)
                return len(block)

            try:
                faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))
            except RuntimeError:
                if not failures:
                    raise
            if failures:
                raise failures[0]
            file.flush()
            os.fsync(file.fileno())
        return digest.hexdigest()


class _Filter:
    """FAISS search parameters, with the selectors kept alive that FAISS only points to."""

    def __init__(self, allowed: Ids | None, excluded: Ids | None) -> None:
        faiss = _faiss()
        self._kept: list[Any] = []
        self.refuses_all = False
        self.parameters: Any = None
        selector: Any = None
        if allowed is not None:
            allowed = _id_array(allowed, "allowed")
            self.refuses_all = len(allowed) == 0
            selector = self._keep(faiss.IDSelectorBatch(allowed))
        if excluded is not None and len(excluded := _id_array(excluded, "excluded")):
            others = self._keep(faiss.IDSelectorNot(self._keep(faiss.IDSelectorBatch(excluded))))
            selector = others if selector is None else self._keep(faiss.IDSelectorAnd(selector, others))
        if selector is not None:
            self.parameters = faiss.SearchParameters(sel=selector)

    def _keep(self, selector: Any) -> Any:
        self._kept.append(selector)
        return selector


def _faiss() -> Any:
    """Import FAISS where it is used; untyped, since its type stubs lack much of what is called here."""
    return importlib.import_module("faiss")


def _checked_ids(index: Any, file: Path, dimension: int | None) -> Ids:
    """Return the sorted ids of a parsed index after making sure that it is one that ``save`` wrote."""
    faiss = _faiss()
    if type(index) is not faiss.IndexIDMap:
        raise VectorIndexError(f"{file} must hold an IndexIDMap, got {type(index).__name__}.")
    codes = faiss.downcast_index(index.index)
    if type(codes) is not faiss.IndexScalarQuantizer:
        raise VectorIndexError(f"{file} must hold an IndexScalarQuantizer, got {type(codes).__name__}.")
    if codes.sq.qtype != faiss.ScalarQuantizer.QT_bf16:
        raise VectorIndexError(f"{file} must hold bfloat16 codes, got quantizer type {codes.sq.qtype}.")
    if index.metric_type != faiss.METRIC_INNER_PRODUCT or codes.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise VectorIndexError(f"{file} must use the inner product, got metric {codes.metric_type}.")
    if dimension is not None and index.d != dimension:
        raise VectorIndexError(f"{file} must hold vectors of length {dimension}, got {index.d}.")
    ids: Ids = np.sort(faiss.vector_to_array(index.id_map))
    count = len(ids)
    sizes_agree = index.ntotal == codes.ntotal == count and codes.codes.size() == 2 * codes.d * count
    if not sizes_agree or index.d != codes.d:
        raise VectorIndexError(f"{file} contradicts itself: {count} ids for {codes.ntotal} vectors.")
    if count and (ids[0] < 0 or (ids[1:] == ids[:-1]).any()):
        raise VectorIndexError(f"{file} holds negative or duplicate ids.")
    return ids


def _matrix(array: Vectors, name: str) -> Vectors:
    if not isinstance(array, np.ndarray) or array.dtype != np.float32 or array.ndim != 2:
        raise VectorIndexError(
            f"{name} must be a float32 array of shape (n, dimension), got {_shown(array)}."
        )
    return array


def _unit_rows(array: Vectors, dimension: int, name: str) -> Vectors:
    array = np.ascontiguousarray(_matrix(array, name))
    if array.shape[1] != dimension:
        raise VectorIndexError(f"{name} must have shape (n, {dimension}), got {array.shape}.")
    lengths = np.linalg.norm(array, axis=1)
    # Written so that NaN, for which every comparison is false, is refused too.
    wrong = ~(np.abs(lengths - 1.0) <= UNIT_TOLERANCE)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise VectorIndexError(f"{name} must be unit rows, got length {lengths[row]:.4g} in row {row}.")
    return array


def _id_array(array: Ids, name: str) -> Ids:
    if not isinstance(array, np.ndarray) or array.dtype != np.int64 or array.ndim != 1:
        raise VectorIndexError(f"{name} must be an int64 array of shape (n,), got {_shown(array)}.")
    return np.ascontiguousarray(array)


def _shown(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
