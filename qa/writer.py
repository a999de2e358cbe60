"""Changes to an index: add, update, remove, prune, rebuild, each committed whole or not at all.

One writer at a time. Knows articles, their places on disk and the encoder; knows nothing of searching.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock

from qa.chunking import chunk_article
from qa.errors import IndexCorruptError, IndexMismatchError, IndexMissingError, InputError
from qa.index import TAIL_LIMIT, check_fingerprint
from qa.locking import lock_folder
from qa.snapshot import newest_manifest, publish
from qa.store import DATABASE, Store
from qa.types import Article, Chunk, Encoder
from qa.writable_store import Change, WritableStore

log = logging.getLogger("tanya")

BATCH_CHUNKS = 256
"""Chunks embedded and committed together; an interrupted run loses at most this much work."""

_ROW = re.compile(r"#\d+$")


class IndexWriter:
    """The one process that changes an index. Use as a context manager: it holds the writer lock.

    Everything yielded by ``add`` has been committed. Leaving without an error publishes a snapshot when too much
    has gathered outside the last one.
    """

    def __init__(
        self, folder: Path, store: WritableStore, encoder: Encoder, lock: FileLock, model: str | None
    ) -> None:
        self.folder = folder
        self._store = store
        self._encoder = encoder
        self._lock = lock
        self._model = model

    @classmethod
    def open(cls, folder: Path, encoder: Encoder, *, model: str | None = None, rebuild: bool = False) -> Self:
        """Open the index in ``folder`` for writing, making it if there is none.

        ``model`` is how the encoder was named, remembered by the index. With ``rebuild`` vectors of another model
        are no error, ``replace_all`` will replace them; a store that cannot be opened is set aside.

        Raises:
            IndexLockedError: another process is writing.
            IndexMismatchError: the index holds vectors of another model.
            IndexCorruptError: the store is damaged.
            InputError: the folder cannot be written to.
        """
        try:
            lock = lock_folder(folder)
        except OSError as error:
            raise InputError(
                f"cannot write to {folder} ({error.strerror}). Name another folder: --index DIR"
            ) from error
        try:
            store = cls._open_store(folder, encoder, model, rebuild)
        except BaseException:
            lock.release()
            raise
        return cls(folder, store, encoder, lock, model)

    @staticmethod
    def _open_store(folder: Path, encoder: Encoder, model: str | None, rebuild: bool) -> WritableStore:
        try:
            store = WritableStore.open(folder)
        except IndexMissingError:
            return WritableStore.create(folder, encoder.fingerprint, model)
        except (IndexCorruptError, IndexMismatchError):
            if not rebuild:
                raise
            set_store_aside(folder)
            return WritableStore.create(folder, encoder.fingerprint, model)
        try:
            if not rebuild:
                check_fingerprint(folder, store.fingerprint(), encoder.fingerprint)
                return store
            if not store.verify():
                return store
        except BaseException:
            store.close()
            raise
        # Damage deep in the file would otherwise stop the rebuilding that is to mend it.
        store.close()
        set_store_aside(folder)
        return WritableStore.create(folder, encoder.fingerprint, model)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.publish_if_needed()
        finally:
            self._store.close()
            self._lock.release()

    def add(self, located: Iterable[tuple[str, Article]]) -> Iterator[tuple[Article, Change]]:
        """Store articles read at absolute locations; yield each with what it changed, once committed."""
        batch: list[tuple[str, Article, list[Chunk]]] = []
        waiting = 0
        for location, article in located:
            if self._is_unchanged(location, article):
                yield article, "unchanged"
                continue
            fresh = not self._store.has_article(article.id) and all(
                article.id != other.id for _, other, _ in batch
            )
            chunks = chunk_article(article) if fresh else []
            batch.append((location, article, chunks))
            waiting += max(1, len(chunks))
            if waiting >= BATCH_CHUNKS:
                yield from self._commit(batch)
                batch, waiting = [], 0
        yield from self._commit(batch)

    def prune(self, path: Path, seen: set[str], skipped: set[str]) -> int:
        """Drop articles under ``path`` whose file, member or row is gone; return how many articles went.

        ``seen``: locations read in this run. ``skipped``: locations that exist but could not be read this time;
        what was indexed from them earlier stays.
        """
        gone = [
            location
            for location in self._store.locations_under(absolute(path))
            if location not in seen and not any(_is_within(location, skip) for skip in skipped)
        ]
        with self._store.transaction():
            return sum(self._store.forget(location) for location in gone)

    def replace_all(self, located: Iterable[tuple[str, Article]]) -> Iterator[tuple[Article, Change]]:
        """Make the index anew from ``located``, in one transaction: until it is committed the old index stands."""
        with self._store.transaction():
            self._store.clear(self._encoder.fingerprint, self._model)
            yield from self.add(located)

    def publish_if_needed(self) -> bool:
        """Publish a snapshot if the newest is missing or too far behind; return whether one was."""
        chunks = self._store.counts()[1]
        manifest = newest_manifest(self._store, self.folder)
        behind = chunks if manifest is None else self._store.count_behind(manifest.max_key)
        if chunks == 0 or (manifest is not None and behind <= TAIL_LIMIT):
            return False
        publish(self.folder)
        return True

    def _is_unchanged(self, location: str, article: Article) -> bool:
        known = self._store.article_at(location)
        if known is None:
            # A file that is at its old place no more, but has the same relative path here, has been moved.
            for old in self._store.locations_of_path(article.path):
                if not _file_of(old).exists():
                    with self._store.transaction():
                        self._store.move(old, location)
                    known = self._store.article_at(location)
                    break
        return known == article.id

    def _commit(self, batch: list[tuple[str, Article, list[Chunk]]]) -> Iterator[tuple[Article, Change]]:
        if not batch:
            return
        texts = [passage_text(article.title, chunk.text) for _, article, chunks in batch for chunk in chunks]
        vectors = self._encoder.encode_passages(texts)
        changes: list[tuple[Article, Change]] = []
        replaced: dict[str, str] = {}
        first = 0
        with self._store.transaction():
            for location, article, chunks in batch:
                before = self._store.article_at(location)
                part = vectors[first : first + len(chunks)]
                first += len(chunks)
                changes.append((article, self._store.put(article, location, chunks, part)))
                if before is not None and before != article.id:
                    replaced[before] = article.id
            self._store.drop_orphans(replaced)
        yield from changes


def remove_articles(folder: Path, article_ids: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Drop articles, each named by its id or an older id of it; yield the id asked for and the one dropped, if any.

    Raises:
        IndexMissingError: there is no index in ``folder``.
        IndexLockedError: another process is writing.
    """
    store = Store.open(folder)
    store.close()
    lock = lock_folder(folder)
    try:
        store = WritableStore.open(folder)
        try:
            for article_id in article_ids:
                current = store.resolve(article_id)
                if current is not None:
                    with store.transaction():
                        store.remove(current)
                yield article_id, current
        finally:
            store.close()
    finally:
        lock.release()


def absolute(path: Path) -> str:
    """Return the absolute POSIX form of a path given by the user, by which its files are known in the store."""
    return path.resolve().as_posix()


def location_of(path: Path, relative: str) -> str:
    """Return the absolute location of what was read at ``relative`` (see ``Article.path``) under ``path``."""
    folder = path if path.is_dir() else path.parent
    return f"{absolute(folder)}/{relative}"


def passage_text(title: str | None, text: str) -> str:
    """Return what the encoder reads of a chunk: its headline, then its text."""
    return f"{title}\n{text}" if title else text


def set_store_aside(folder: Path) -> None:
    """Rename a store that cannot be opened, so that ``--rebuild`` can begin; the caller holds the writer lock."""
    stamp = f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
    for suffix in ("", "-wal", "-shm"):
        path = folder / f"{DATABASE}{suffix}"
        if path.exists():
            path.rename(folder / f"damaged-{stamp}-{DATABASE}{suffix}")
    log.warning(
        "The store was damaged or of another version; it was kept as %s",
        folder / f"damaged-{stamp}-{DATABASE}",
    )


def _file_of(location: str) -> Path:
    """Return the file of a location, without its archive member or row."""
    path = Path(location)
    if path.exists():
        return path
    return Path(_ROW.sub("", location.split("!/")[0]))


def _is_within(location: str, folder: str) -> bool:
    return location == folder or location.startswith((f"{folder}/", f"{folder}!/", f"{folder}#"))
