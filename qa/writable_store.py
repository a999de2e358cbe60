"""Changes to the store: each inside a transaction of the caller, committed whole or not at all.

Knows rows and transactions; knows nothing of models, FAISS, BM25 or files on disk.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Self

import numpy as np

from qa.database import connect, reporting, statements
from qa.store import DATABASE, SCHEMA_VERSION, Store, digest, source_key
from qa.types import Article, Chunk

Change = Literal["added", "updated", "duplicate", "unchanged"]

_UNIT_TOLERANCE = 0.01

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE articles (
    id TEXT PRIMARY KEY, title TEXT, text TEXT NOT NULL, source TEXT, source_key TEXT, place TEXT,
    published_at TEXT, date_inferred INTEGER NOT NULL, url TEXT, digest BLOB NOT NULL
);
CREATE TABLE files (
    number INTEGER PRIMARY KEY, location TEXT NOT NULL UNIQUE, path TEXT NOT NULL, external_id TEXT,
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE, digest BLOB NOT NULL
);
CREATE INDEX files_of_article ON files (article_id);
CREATE INDEX files_by_path ON files (path);
CREATE TABLE successors (old_id TEXT PRIMARY KEY, new_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, vector BLOB NOT NULL,
    digest BLOB NOT NULL, UNIQUE (article_id, ordinal)
);
CREATE TABLE removed_chunks (key INTEGER PRIMARY KEY);
CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN
    INSERT INTO removed_chunks (key) VALUES (OLD.key);
END;
"""


class WritableStore(Store):
    """The database of one index folder, opened for changing; the caller holds the writer lock.

    Changes go inside ``transaction``; what a failed one began is undone.
    """

    _mode = "rw"

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        super().__init__(path, connection)
        self._writing = False

    @classmethod
    def create(cls, folder: Path, fingerprint: Mapping[str, str], model: str | None = None) -> Self:
        """Make an empty store in ``folder``, for vectors of the model with this ``fingerprint``."""
        folder.mkdir(parents=True, exist_ok=True)
        store = cls(folder / DATABASE, connect(folder / DATABASE, "rwc"))
        try:
            with store.transaction():
                # A schema made half is a store nobody can open.
                for statement in statements(_SCHEMA):
                    store._run(statement)
                for name in ("fingerprint", "identity", "model", "snapshot"):
                    store._run("INSERT INTO meta VALUES (?, '')", (name,))
                store._run("INSERT INTO meta VALUES ('schema', ?), ('generation', '0')", (SCHEMA_VERSION,))
                store.clear(fingerprint, model)
        except BaseException:
            store.close()
            raise
        return store

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, with the next generation number, or not at all. May be nested."""
        with self._lock:
            if self._writing:  # part of an outer transaction, which commits
                yield
                return
            with self._committing():
                yield
                self._run("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'generation'")

    @contextmanager
    def _committing(self) -> Iterator[None]:
        with self._lock:
            self._writing = True
            try:
                self._run("BEGIN IMMEDIATE")
                yield
                self._run("COMMIT")
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._writing = False

    def put(self, article: Article, location: str, chunks: Sequence[Chunk], vectors: np.ndarray) -> Change:
        """Store what was read at ``location`` and say what that changed.

        ``vectors``: float32 ``(len(chunks), dimension)``; both may be empty if the article is stored already.
        The article that was there before stays until ``drop_orphans``.
        """
        before = self.article_at(location)
        known = self.has_article(article.id)
        if not known:
            self._insert(article, chunks, vectors)
        file = (location, article.path, article.external_id, article.id)
        self._run(
            "INSERT INTO files (location, path, external_id, article_id, digest) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (location) DO UPDATE SET path = excluded.path, external_id = excluded.external_id, "
            "article_id = excluded.article_id, digest = excluded.digest",
            (*file, digest(file)),
        )
        if before == article.id:
            return "unchanged"
        if before is None:
            return "duplicate" if known else "added"
        return "updated"

    def drop_orphans(self, replaced: Mapping[str, str]) -> None:
        """Drop the articles (keys of ``replaced``) that have no file left; their ids resolve to the values."""
        for old_id, new_id in replaced.items():
            if self._drop_if_orphan(old_id):
                self._run("INSERT OR REPLACE INTO successors VALUES (?, ?)", (old_id, new_id))

    def clear(self, fingerprint: Mapping[str, str], model: str | None) -> None:
        """Drop everything; the store is then another one, for vectors of this model."""
        for table in ("articles", "successors"):
            self._run(f"DELETE FROM {table}")
        described = {
            "fingerprint": json.dumps(dict(fingerprint)),
            "identity": uuid.uuid4().hex,
            "model": model or "",
            "snapshot": "",
        }
        for name, value in described.items():
            self._run("UPDATE meta SET value = ? WHERE name = ?", (value, name))

    def move(self, old_location: str, new_location: str) -> None:
        """Say that a file is now elsewhere, for instance because its folder was renamed."""
        rows = self._rows(
            "SELECT path, external_id, article_id FROM files WHERE location = ?", (old_location,)
        )
        for row in rows:
            self._run(
                "UPDATE files SET location = ?, digest = ? WHERE location = ?",
                (new_location, digest((new_location, *row)), old_location),
            )

    def forget(self, location: str) -> bool:
        """Drop a file; return whether its article went with it, no other file having it."""
        owner = self.article_at(location)
        self._run("DELETE FROM files WHERE location = ?", (location,))
        return owner is not None and self._drop_if_orphan(owner)

    def remove(self, article_id: str) -> None:
        """Drop an article with its chunks, vectors and files."""
        self._run("DELETE FROM articles WHERE id = ?", (article_id,))

    def record_snapshot(self, name: str, *, up_to: int) -> None:
        """Name the snapshot that now holds all chunks with keys up to ``up_to``; not inside a transaction.

        Removed keys up to there are forgotten with it, since the snapshot does not hold them. This is no change of
        content, so the generation stays.
        """
        with self._committing():
            self._run("UPDATE meta SET value = ? WHERE name = 'snapshot'", (name,))
            self._run("DELETE FROM removed_chunks WHERE key <= ?", (up_to,))

    def _insert(self, article: Article, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        if vectors.shape != (len(chunks), self.dimension()) and (len(chunks) or len(vectors)):
            raise ValueError(
                f"{len(chunks)} chunks need vectors of length {self.dimension()}, got shape {vectors.shape}"
            )
        lengths = np.linalg.norm(vectors, axis=1) if len(chunks) else np.ones(0)
        if not np.all(np.abs(lengths - 1.0) < _UNIT_TOLERANCE):  # also when a length is not a number
            raise ValueError(f"the vectors of article {article.id} are no unit vectors: lengths {lengths}")
        row = (
            article.id,
            article.title,
            article.text,
            article.source,
            article.place,
            article.published_at.isoformat() if article.published_at else None,
            int(article.date_inferred),
            article.url,
        )
        self._run(
            "INSERT INTO articles (id, title, text, source, place, published_at, date_inferred, url, source_key, "
            "digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, source_key(article.source) if article.source else None, digest(row)),
        )
        self._run("DELETE FROM successors WHERE old_id = ?", (article.id,))
        rows = [
            (article.id, chunk.ordinal, chunk.start, chunk.end, vector.astype(np.float16).tobytes())
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        with reporting(self._path):
            self._connection.executemany(
                "INSERT INTO chunks (article_id, ordinal, start, end, vector, digest) VALUES (?, ?, ?, ?, ?, ?)",
                [(*values, digest(values)) for values in rows],
            )

    def _drop_if_orphan(self, article_id: str) -> bool:
        if self._rows("SELECT 1 FROM files WHERE article_id = ?", (article_id,)):
            return False
        self.remove(article_id)
        return True
