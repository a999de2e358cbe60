"""An index opened for searching: a store, and the vector and lexical indexes derived from it.

Any number of processes read a folder, each its own consistent view; ``qa.writer`` changes it.
Knows keys, chunks and snapshots; knows nothing of files, questions or pages.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from embeddings.vector_index import VectorIndex
from qa.errors import IndexLockedError, IndexMismatchError
from qa.lexical import LexicalIndex
from qa.locking import PrivateFolder, lock_folder
from qa.snapshot import Snapshot, SnapshotError, publish, published_snapshots, read_snapshot, write_snapshot
from qa.store import Store
from qa.types import Article, Chunk, Filters

log = logging.getLogger("tanya")

TAIL_LIMIT = 5_000
"""Chunks that may wait outside a snapshot before a new one is due."""


@dataclass(frozen=True, slots=True)
class View:
    """What one search sees: a snapshot, the chunks newer than it, and the keys that are gone since."""

    generation: int
    snapshot: Path | None
    base: VectorIndex
    base_max_key: int
    tail: VectorIndex
    max_key: int
    removed: np.ndarray
    lexical: LexicalIndex


class NewsIndex:
    """An index opened for searching; keeps its view until ``refresh``. Safe to use from several threads."""

    def __init__(self, folder: Path, store: Store, view: View, private: PrivateFolder) -> None:
        self.folder = folder
        self.store = store
        self._view = view
        self._private = private

    @classmethod
    def open(cls, folder: Path, fingerprint: Mapping[str, str] | None = None) -> Self:
        """Open the index in ``folder``; derived indexes that are missing or damaged are rebuilt, and that is logged.

        Raises:
            IndexMissingError: there is none.
            IndexMismatchError: ``fingerprint`` is given and the vectors are of another model.
            IndexCorruptError: the store itself is damaged.
        """
        store = Store.open(folder)
        if fingerprint is not None:
            check_fingerprint(folder, store.fingerprint(), fingerprint)
        private = PrivateFolder.create()
        try:
            view = _load_view(folder, store, private)
        except BaseException:
            store.close()
            private.remove()
            raise
        return cls(folder, store, view, private)

    def close(self) -> None:
        """Release files; the index is of no use afterwards."""
        self.store.close()
        self._private.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def generation(self) -> int:
        """The store's generation that searches see."""
        return self._view.generation

    def refresh(self) -> bool:
        """See what a writer has committed since; return whether anything had changed."""
        view = self._view
        if self.store.generation() == view.generation:
            return False
        newest = published_snapshots(self.folder)[:1]
        if view.snapshot is None or newest != [view.snapshot]:
            self._view = _load_view(self.folder, self.store, self._private)
        else:
            self._view = _advanced(self.store, view)
        return True

    def search_dense(
        self, query: np.ndarray, k: int, filters: Filters | None = None
    ) -> list[tuple[int, float]]:
        """Return up to ``k`` pairs ``(key, cosine)``, best first. ``query``: float32 unit row, ``(dimension,)``."""
        view = self._view
        allowed = self.store.matching_keys(filters) if filters else None
        rows = query.reshape(1, -1)
        pairs: list[tuple[int, float]] = []
        for part in (view.base, view.tail):
            ids, scores = part.search(rows, k, allowed=allowed, excluded=view.removed)[0]
            pairs += zip(ids.tolist(), scores.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]

    def search_lexical(
        self, question: str, k: int, filters: Filters | None = None
    ) -> list[tuple[int, float]]:
        """Return up to ``k`` pairs ``(key, BM25 score)``, best first."""
        return self._view.lexical.search(question, k, filters)

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word of ``terms.words()``: BM25's ``ln(1 + (N-n+.5)/(n+.5))``."""
        count, found = len(self._view.lexical), self._view.lexical.document_frequency(word)
        return float(np.log1p((count - found + 0.5) / (found + 0.5)))

    def chunks(self, keys: Sequence[int]) -> dict[int, tuple[Chunk, Article]]:
        """Return chunk and article by key, of those that still exist."""
        return self.store.chunks(keys)

    def vectors(self, chunks: Sequence[Chunk]) -> np.ndarray:
        """Return float32 unit rows, shape ``(len(chunks), dimension)``; zeros for chunks removed since."""
        return self.store.vectors(chunks)

    def get_article(self, article_id: str) -> Article | None:
        """Return an article by its id; an id it had before an update finds it too."""
        current = self.store.resolve(article_id)
        return self.store.articles([current]).get(current) if current else None

    def sample_articles(self, limit: int) -> list[Article]:
        """Return up to ``limit`` articles spread evenly over the archive, the same ones every time."""
        ids = self.store.spread_of_ids(limit)
        found = self.store.articles(ids)
        return [found[key] for key in ids]

    def count_articles(self) -> int:
        """Return the number of articles."""
        return self.store.counts()[0]

    def sources(self) -> list[str]:
        """Return the outlets, sorted."""
        return self.store.sources()


def check_fingerprint(folder: Path, stored: Mapping[str, str], given: Mapping[str, str]) -> None:
    """Raise ``IndexMismatchError`` naming both models unless the fingerprints are equal."""
    if dict(stored) == dict(given):
        return
    differing = sorted(name for name in {*stored, *given} if stored.get(name) != given.get(name))
    details = ", ".join(f"{name}: {stored.get(name)!r} against {given.get(name)!r}" for name in differing)
    raise IndexMismatchError(
        f"the index in {folder} holds vectors of {stored.get('name')}, the model now is {given.get('name')} "
        f"({details}). "
        f"Use the index's model, or make the index anew: tanya index PATH --index {folder} --rebuild"
    )


def verify_index(folder: Path) -> list[str]:
    """Return what is wrong with the index in ``folder``, in words; empty if the store and its snapshot are sound."""
    store = Store.open(folder)
    private = PrivateFolder.create()
    try:
        problems = store.verify()
        for path in published_snapshots(folder)[:1]:
            try:
                snapshot = _checked(store, read_snapshot(path, private.path / "verify"))
            except SnapshotError as error:
                problems.append(str(error))
                continue
            held = store.count_up_to(snapshot.manifest.max_key)
            gone = len(store.removed_keys(up_to=snapshot.manifest.max_key))
            if held > snapshot.manifest.count or snapshot.manifest.count > held + gone:
                problems.append(
                    f"{path} holds {snapshot.manifest.count} chunks, the store {held} and {gone} removed"
                )
        return problems
    finally:
        store.close()
        private.remove()


def _load_view(folder: Path, store: Store, private: PrivateFolder) -> View:
    chunks = store.counts()[1]
    for path in published_snapshots(folder):
        try:
            snapshot = _checked(store, read_snapshot(path, private.path / uuid.uuid4().hex))
        except SnapshotError as error:
            log.warning("%s. Rebuilding it from the store, nothing is lost", error)
            continue
        if store.count_behind(snapshot.manifest.max_key) <= TAIL_LIMIT:
            return _advanced(store, _view_of(path, snapshot))
        log.warning("The search index in %s is behind its store: bringing it up to date", folder)
        break
    else:
        if chunks:
            log.warning(
                "The search index in %s is not there: building it from %d stored passages", folder, chunks
            )
    return _rebuilt_view(folder, store, private)


def _rebuilt_view(folder: Path, store: Store, private: PrivateFolder) -> View:
    """Publish a new snapshot if the folder can be written and no writer is busy, else use one of our own."""
    target = private.path / uuid.uuid4().hex
    try:
        lock = lock_folder(folder)
    except (IndexLockedError, OSError):
        own = private.path / f"own-{uuid.uuid4().hex}"
        write_snapshot(store, own)
        return _advanced(store, _view_of(None, read_snapshot(own, target)))
    try:
        path = publish(folder)
    finally:
        lock.release()
    return _advanced(store, _view_of(path, read_snapshot(path, target)))


def _view_of(path: Path | None, snapshot: Snapshot) -> View:
    manifest = snapshot.manifest
    return View(
        generation=manifest.generation,
        snapshot=path,
        base=snapshot.vectors,
        base_max_key=manifest.max_key,
        tail=VectorIndex.empty(manifest.dimension),
        max_key=manifest.max_key,
        removed=np.empty(0, dtype=np.int64),
        lexical=snapshot.lexical,
    )


def _advanced(store: Store, view: View) -> View:
    """Return ``view`` brought to the store's generation; its lexical index is updated in place."""
    with store.reading():
        generation, max_key = store.generation(), store.max_key()
        rows = list(store.chunk_rows(after=view.base_max_key))
        removed = store.removed_keys(up_to=max_key)
    new = [row for row in rows if row.key > view.max_key]
    newly_removed = np.setdiff1d(removed, view.removed)
    if new or len(newly_removed):
        view.lexical.update(new, newly_removed.tolist())
    tail = VectorIndex.empty(view.base.dimension)
    if rows:
        tail.add(np.array([row.key for row in rows], dtype=np.int64), np.stack([row.vector for row in rows]))
    return View(generation, view.snapshot, view.base, view.base_max_key, tail, max_key, removed, view.lexical)


def _checked(store: Store, snapshot: Snapshot) -> Snapshot:
    """Refuse a snapshot made from another store, or from a later state of this one."""
    manifest = snapshot.manifest
    if (
        manifest.store != store.meta("identity")
        or manifest.generation > store.generation()
        or manifest.max_key > store.max_key()
        or manifest.dimension != int(store.fingerprint()["dimension"])
    ):
        raise SnapshotError("The search index was made from another store")
    return snapshot
