"""An index opened for searching: a store, and the vector and lexical indexes derived from it.

Any number of processes read a folder, each its own consistent view; ``qa.writer`` changes it.
Knows keys, chunks and snapshots; knows nothing of files, questions or pages.
"""

from __future__ import annotations

import logging
import re
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from embeddings.vector_index import VectorIndex
from qa.errors import IndexCorruptError, IndexLockedError, IndexMismatchError, StoreError
from qa.lexical import LexicalIndex
from qa.locking import PrivateFolder, lock_folder, remove_folder
from qa.snapshot import Snapshot, SnapshotError, publish, read_snapshot, snapshot_folder, write_snapshot
from qa.store import Store
from qa.types import Article, Chunk, Filters

log = logging.getLogger("tanya")

TAIL_LIMIT = 5_000
"""Chunks that may wait outside a snapshot before a new one is due."""


_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class View:
    """What one search sees: a snapshot, the chunks newer than it, and the keys that are gone since.

    ``recorded``: the store's snapshot when this was made. ``private``: the folder that ``lexical`` works in.
    """

    generation: int
    recorded: str
    private: Path
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
        self._refreshing = threading.Lock()

    @classmethod
    def open(cls, folder: Path, fingerprint: Mapping[str, str] | None = None) -> Self:
        """Open the index in ``folder``; derived indexes that are missing or damaged are rebuilt, and that is logged.

        Raises:
            IndexMissingError: there is none.
            IndexMismatchError: ``fingerprint`` is given and the vectors are of another model.
            IndexCorruptError: the store itself is damaged.
        """
        store = Store.open(folder)
        try:
            if fingerprint is not None:
                check_fingerprint(folder, store.fingerprint(), fingerprint)
            private = PrivateFolder.create()
            try:
                view = _load_view(folder, store, private)
            except BaseException:
                private.remove()
                raise
        except BaseException:
            store.close()
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

    @property
    def view(self) -> View:
        """What searches see now; give it to several of them to see the same in each."""
        return self._view

    def refresh(self) -> bool:
        """See what a writer has committed since; return whether anything had changed."""
        with self._refreshing:
            view = self._view
            if self.store.generation() == view.generation:
                return False
            self._view = _advanced(self.store, view) or _load_view(self.folder, self.store, self._private)
            if self._view.private != view.private:
                # Searches under way keep the files they have open.
                remove_folder(view.private)
            return True

    def search_dense(
        self, query: np.ndarray, k: int, filters: Filters | None = None, *, view: View | None = None
    ) -> list[tuple[int, float]]:
        """Return up to ``k`` pairs ``(key, cosine)``, best first. ``query``: float32 unit row, ``(dimension,)``."""
        view = view or self._view
        allowed = self.store.matching_keys(filters) if filters else None
        rows = query.reshape(1, -1)
        pairs: list[tuple[int, float]] = []
        for part in (view.base, view.tail):
            ids, scores = part.search(rows, k, allowed=allowed, excluded=view.removed)[0]
            pairs += zip(ids.tolist(), scores.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:k]

    def search_lexical(
        self, question: str, k: int, filters: Filters | None = None, *, view: View | None = None
    ) -> list[tuple[int, float]]:
        """Return up to ``k`` pairs ``(key, BM25 score)``, best first."""
        return (view or self._view).lexical.search(question, k, filters)

    def rarity(self, word: str) -> float:
        """Return the inverse document frequency of a word of ``terms.words()``: BM25's ``ln(1 + (N-n+.5)/(n+.5))``."""
        lexical = self._view.lexical
        count, found = len(lexical), lexical.document_frequency(word)
        return float(np.log1p((count - found + 0.5) / (found + 0.5)))

    def chunks(self, keys: Sequence[int]) -> dict[int, tuple[Chunk, Article]]:
        """Return chunk and article by key, of those that still exist."""
        return self.store.chunks(keys)

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
    details = ", ".join(
        f"{name} {_shortened(stored.get(name))!r} against {_shortened(given.get(name))!r}"
        for name in differing
    )
    raise IndexMismatchError(
        f"the index in {folder} was made with the model {_title(stored)}, the model now is {_title(given)} "
        f"({details}). Vectors of two models cannot be compared; the index is left as it is. "
        "If Tanya was updated, or to change the model, make it anew from the articles in PATH: "
        f"tanya index PATH --index {folder} --rebuild. "
        "To go on with the model that made it, name that one: --model NAME"
    )


def _title(fingerprint: Mapping[str, str]) -> str:
    return " ".join(filter(None, (fingerprint.get("name"), _shortened(fingerprint.get("revision")))))


def _shortened(value: str | None) -> str | None:
    """Leave of a hash what tells it from others."""
    return value[:12] if value and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", value) else value


def verify_index(folder: Path) -> list[str]:
    """Return what is wrong with the index in ``folder``, in words; empty if the store and its snapshot are sound.

    A snapshot that is only missing or behind is no fault: the next opening makes or completes it.

    Raises:
        IndexMissingError, IndexMismatchError, IndexCorruptError: the store cannot be opened at all.
    """
    store = Store.open(folder)
    private = PrivateFolder.create()
    try:
        problems = store.verify()
        if problems or not store.snapshot():
            return problems
        with store.reading():
            path = snapshot_folder(folder, store.snapshot())
            try:
                manifest = _checked(store, read_snapshot(path, private.path / "verify")).manifest
            except SnapshotError as error:
                return [str(error)]
            held = store.count_up_to(manifest.max_key)
            gone = len(store.removed_keys(up_to=manifest.max_key))
        if held + gone != manifest.count:
            return [f"{path} holds {manifest.count} chunks, the store {held} and {gone} removed since"]
        return []
    finally:
        store.close()
        private.remove()


def _load_view(folder: Path, store: Store, private: PrivateFolder) -> View:
    # Each attempt may find that a writer has just published another snapshot.
    for _ in range(_ATTEMPTS):
        view = _recorded_view(folder, store, private)
        if view is None:
            continue
        if advanced := _advanced(store, view):
            return advanced
    raise StoreError(f"the search index in {folder} changes faster than it can be read. Try again")


def _recorded_view(folder: Path, store: Store, private: PrivateFolder) -> View | None:
    """Return the snapshot that the store recorded, a new one where that is of no use, ``None`` for try again."""
    recorded = store.snapshot()
    target = private.path / uuid.uuid4().hex
    try:
        snapshot = _checked(store, read_snapshot(snapshot_folder(folder, recorded), target))
    except SnapshotError as error:
        remove_folder(target)
        if store.snapshot() != recorded:
            return None
        chunks = store.counts()[1]
        if recorded:
            log.warning("%s. Rebuilding it from the store, nothing is lost", error)
        elif chunks:
            log.warning(
                "The search index in %s is not there: building it from %d stored passages", folder, chunks
            )
        return _rebuilt_view(folder, store, private)
    if store.count_behind(snapshot.manifest.max_key) > TAIL_LIMIT:
        remove_folder(target)
        log.warning("The search index in %s is behind its store: bringing it up to date", folder)
        return _rebuilt_view(folder, store, private)
    return _view_of(recorded, target, snapshot)


def _rebuilt_view(folder: Path, store: Store, private: PrivateFolder) -> View | None:
    """Publish a new snapshot if the folder can be written and no writer is busy, else use one of our own."""
    target = private.path / uuid.uuid4().hex
    try:
        lock = lock_folder(folder)
        try:
            path = publish(folder)
            # Read before it is let go: the next writer may replace it.
            return _view_of(path.name, target, _checked(store, read_snapshot(path, target)))
        finally:
            lock.release()
    except IndexCorruptError:
        raise
    except IndexLockedError:
        log.warning("The index is being written to: its search index is kept for this process alone")
    except (OSError, StoreError) as error:
        log.warning("The search index cannot be written (%s): it is kept for this process alone", error)
    recorded = store.snapshot()
    own = write_snapshot(store, private.path)
    target = private.path / uuid.uuid4().hex
    view = _view_of(recorded, target, read_snapshot(own, target))
    remove_folder(own)
    return view


def _view_of(recorded: str, private: Path, snapshot: Snapshot) -> View:
    manifest = snapshot.manifest
    return View(
        generation=manifest.generation,
        recorded=recorded,
        private=private,
        base=snapshot.vectors,
        base_max_key=manifest.max_key,
        tail=VectorIndex.empty(manifest.dimension),
        max_key=manifest.max_key,
        removed=np.empty(0, dtype=np.int64),
        lexical=snapshot.lexical,
    )


def _advanced(store: Store, view: View) -> View | None:
    """Return ``view`` brought to the store's generation, ``None`` if that takes another snapshot.

    With another snapshot recorded the store has forgotten which chunks of this one are gone.
    """
    with store.reading():
        if store.snapshot() != view.recorded:
            return None
        generation, max_key = store.generation(), store.max_key()
        rows = list(store.chunk_rows(after=view.base_max_key))
        removed = store.removed_keys(up_to=max_key)
    tail = VectorIndex.empty(view.base.dimension)
    if rows:
        tail.add(np.array([row.key for row in rows], dtype=np.int64), np.stack([row.vector for row in rows]))
    new = [row for row in rows if row.key > view.max_key]
    gone = np.setdiff1d(removed, view.removed)
    lexical = view.lexical.updated(new, gone.tolist()) if new or len(gone) else view.lexical
    return replace(view, generation=generation, tail=tail, max_key=max_key, removed=removed, lexical=lexical)


def _checked(store: Store, snapshot: Snapshot) -> Snapshot:
    """Refuse a snapshot made from another store, or from a later state of this one."""
    manifest = snapshot.manifest
    if (
        manifest.store != store.meta("identity")
        or manifest.generation > store.generation()
        or manifest.max_key > store.max_key()
        or manifest.dimension != store.dimension()
    ):
        raise SnapshotError("The search index was made from another store")
    return snapshot
