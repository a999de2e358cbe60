"""SQLite: the one truth about articles, their files, chunks and vectors.

Knows rows and transactions; knows nothing of models, FAISS, BM25 or questions. Vectors are stored as float16.
A chunk has a ``key``: a positive integer that is never used twice, by which derived indexes name it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import numpy as np

from qa.errors import IndexCorruptError, IndexMismatchError, IndexMissingError
from qa.types import Article, Chunk, Filters

SCHEMA_VERSION = "1"
DATABASE = "tanya.db"

T = TypeVar("T")
Change = Literal["added", "updated", "duplicate", "unchanged"]

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE articles (
    id TEXT PRIMARY KEY, title TEXT, text TEXT NOT NULL, source TEXT, source_key TEXT, place TEXT,
    published_at TEXT, date_inferred INTEGER NOT NULL, url TEXT
);
CREATE TABLE files (
    number INTEGER PRIMARY KEY, location TEXT NOT NULL UNIQUE, path TEXT NOT NULL, external_id TEXT,
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE
);
CREATE INDEX files_of_article ON files (article_id);
CREATE INDEX files_by_path ON files (path);
CREATE TABLE successors (old_id TEXT PRIMARY KEY, new_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE chunks (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL REFERENCES articles (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, vector BLOB NOT NULL,
    UNIQUE (article_id, ordinal)
);
CREATE TABLE removed_chunks (key INTEGER PRIMARY KEY);
CREATE TRIGGER chunk_removed AFTER DELETE ON chunks BEGIN
    INSERT INTO removed_chunks (key) VALUES (OLD.key);
END;
"""


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A chunk as the derived indexes need it. ``vector``: float32 unit row, shape ``(dimension,)``."""

    key: int
    text: str
    title: str | None
    published_at: date | None
    source: str | None
    vector: np.ndarray


class Store:
    """The database of one index folder.

    ``open`` for reading, ``create`` or ``open(writable=True)`` for writing; the caller holds the writer lock.
    Reading is safe from several threads.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def create(cls, folder: Path, fingerprint: Mapping[str, str], model: str | None = None) -> Self:
        """Make an empty store in ``folder``, for vectors of the model with this ``fingerprint``."""
        folder.mkdir(parents=True, exist_ok=True)
        store = cls(folder / DATABASE, _connect(folder / DATABASE, "rwc"))
        with store.transaction():
            # executescript would commit first; a schema made half is a store nobody can open.
            for statement in _statements(_SCHEMA):
                store._connection.execute(statement)
            store._connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [
                    ("schema", SCHEMA_VERSION),
                    ("generation", "0"),
                    ("fingerprint", ""),
                    ("identity", ""),
                    ("model", ""),
                ],
            )
            store.clear(fingerprint, model)
        return store

    @classmethod
    def open(cls, folder: Path, *, writable: bool = False) -> Self:
        """Open the store in ``folder``.

        Raises:
            IndexMissingError: there is none.
            IndexMismatchError: its schema is of another version.
            IndexCorruptError: it is no database, or a damaged one.
        """
        path = folder / DATABASE
        if not path.exists() or not _has_schema(path):
            raise IndexMissingError(f"no index in {folder}. Make one: tanya index PATH --index {folder}")
        store = cls(path, _connect(path, "rw" if writable else "ro"))
        version = store.meta("schema")
        if version != SCHEMA_VERSION:
            raise IndexMismatchError(
                f"the index in {folder} has schema {version}, this Tanya reads {SCHEMA_VERSION}. "
                f"Make it anew: tanya index PATH --index {folder} --rebuild"
            )
        return store

    def close(self) -> None:
        """Close the connection; the store is of no use afterwards."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, with the next generation number, or not at all. May be nested."""
        with self._lock, _reporting(self._path):
            if self._connection.in_transaction:  # part of an outer transaction, which commits
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute(
                    "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE name = 'generation'"
                )
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Everything read inside is of one generation."""
        with self._lock, _reporting(self._path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    # What is there

    def meta(self, name: str) -> str:
        """Return the value stored under ``name``: schema, identity, model, fingerprint (JSON) or generation."""
        rows = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        if not rows:
            raise IndexCorruptError(f"{self._path} has no {name!r}. Make the index anew with --rebuild")
        return str(rows[0][0])

    def fingerprint(self) -> dict[str, str]:
        """Return the fingerprint of the model that made the vectors."""
        return dict(json.loads(self.meta("fingerprint")))

    def generation(self) -> int:
        """Return the number of the last committed transaction."""
        return int(self.meta("generation"))

    def counts(self) -> tuple[int, int]:
        """Return the numbers of articles and of chunks."""
        articles, chunks = self._rows(
            "SELECT (SELECT count(*) FROM articles), (SELECT count(*) FROM chunks)"
        )[0]
        return int(articles), int(chunks)

    def max_key(self) -> int:
        """Return the highest chunk key ever given, 0 if none."""
        return int(
            self._rows("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'chunks'")[0][0]
        )

    def count_behind(self, max_key: int) -> int:
        """Return how many chunks were added above ``max_key`` or removed up to it."""
        rows = self._rows(
            "SELECT (SELECT count(*) FROM chunks WHERE key > ?1) + "
            "(SELECT count(*) FROM removed_chunks WHERE key <= ?1)",
            (max_key,),
        )
        return int(rows[0][0])

    def count_up_to(self, max_key: int) -> int:
        """Return how many chunks with a key up to ``max_key`` still exist."""
        return int(self._rows("SELECT count(*) FROM chunks WHERE key <= ?", (max_key,))[0][0])

    def sources(self) -> list[str]:
        """Return the outlets in the archive, sorted."""
        return [
            str(row[0])
            for row in self._rows("SELECT DISTINCT source FROM articles WHERE source NOT NULL ORDER BY 1")
        ]

    def count_undated(self) -> int:
        """Return how many articles have no date, and so fail every date filter."""
        return int(self._rows("SELECT count(*) FROM articles WHERE published_at IS NULL")[0][0])

    def resolve(self, article_id: str) -> str | None:
        """Return the id of the article now standing for ``article_id`` (itself, or its successor), if any."""
        seen: set[str] = set()
        current = article_id
        while current not in seen:
            if self._rows("SELECT 1 FROM articles WHERE id = ?", (current,)):
                return current
            seen.add(current)
            rows = self._rows("SELECT new_id FROM successors WHERE old_id = ?", (current,))
            if not rows:
                return None
            current = str(rows[0][0])
        return None

    def articles(self, ids: Sequence[str]) -> dict[str, Article]:
        """Return the articles of these ids that exist, by id. The path is that of their oldest file."""
        found: dict[str, Article] = {}
        for part in _parts(ids):
            rows = self._rows(
                "SELECT id, title, text, source, place, published_at, date_inferred, url, path, external_id, "
                "min(number) FROM articles JOIN files ON article_id = id "
                f"WHERE id IN ({_marks(part)}) GROUP BY id",
                part,
            )
            found |= {row[0]: _article(row) for row in rows}
        return found

    def spread_of_ids(self, limit: int) -> list[str]:
        """Return up to ``limit`` article ids spread evenly over the archive in the order of their files."""
        count = self.counts()[0]
        step = max(1, count // max(1, limit))
        ids = [
            str(row[0])
            for row in self._rows("SELECT article_id FROM files GROUP BY article_id ORDER BY min(number)")
        ]
        return ids[::step][:limit]

    def aliases(self, article_id: str) -> list[tuple[str, str | None]]:
        """Return every ``(path, external_id)`` under which the article was found, oldest first."""
        rows = self._rows(
            "SELECT path, external_id FROM files WHERE article_id = ? ORDER BY number", (article_id,)
        )
        return [(str(path), external_id) for path, external_id in rows]

    def article_at(self, location: str) -> str | None:
        """Return the id of the article last read from this absolute location."""
        rows = self._rows("SELECT article_id FROM files WHERE location = ?", (location,))
        return str(rows[0][0]) if rows else None

    def has_article(self, article_id: str) -> bool:
        """Whether an article of exactly this id is stored."""
        return bool(self._rows("SELECT 1 FROM articles WHERE id = ?", (article_id,)))

    def locations_of_path(self, path: str) -> list[str]:
        """Return the absolute locations whose relative path is ``path``."""
        return [str(row[0]) for row in self._rows("SELECT location FROM files WHERE path = ?", (path,))]

    def locations_under(self, folder: str) -> list[str]:
        """Return every stored location that is ``folder`` or lies in it, as a file, member or row."""
        rows = self._rows(
            "SELECT location FROM files WHERE substr(location, 1, ?) = ?", (len(folder), folder)
        )
        return [
            location for (location,) in rows if location[len(folder) : len(folder) + 1] in ("", "/", "!", "#")
        ]

    def chunks(self, keys: Sequence[int]) -> dict[int, tuple[Chunk, Article]]:
        """Return chunk and article of these keys that still exist, by key."""
        rows: list[Any] = []
        for part in _parts(keys):
            rows += self._rows(
                f"SELECT key, article_id, ordinal, start, end FROM chunks WHERE key IN ({_marks(part)})", part
            )
        articles = self.articles(list({row[1] for row in rows}))
        return {
            key: (
                Chunk(f"{owner}-{ordinal}", owner, ordinal, articles[owner].text[start:end], start, end),
                articles[owner],
            )
            for key, owner, ordinal, start, end in rows
            if owner in articles
        }

    def vectors(self, chunks: Sequence[Chunk]) -> np.ndarray:
        """Return float32 unit rows, shape ``(len(chunks), dimension)``; zeros for chunks removed since."""
        rows = np.zeros((len(chunks), int(self.fingerprint()["dimension"])), dtype=np.float32)
        for row, chunk in zip(rows, chunks, strict=True):
            statement = "SELECT vector FROM chunks WHERE article_id = ? AND ordinal = ?"
            for (blob,) in self._rows(statement, (chunk.article_id, chunk.ordinal)):
                row[:] = _vector(blob)
        return rows

    def chunk_rows(self, *, after: int = 0, batch: int = 4096) -> Iterator[ChunkRow]:
        """Yield the chunks with a key above ``after`` in the order of their keys."""
        while True:
            rows = self._rows(
                "SELECT key, substr(text, start + 1, end - start), title, published_at, source, vector "
                "FROM chunks JOIN articles ON articles.id = article_id WHERE key > ? ORDER BY key LIMIT ?",
                (after, batch),
            )
            for key, text, title, published_at, source, blob in rows:
                yield ChunkRow(key, text, title, _date(published_at), source, _vector(blob))
            if len(rows) < batch:
                return
            after = rows[-1][0]

    def removed_keys(self, *, up_to: int) -> np.ndarray:
        """Return the int64 keys, up to and including ``up_to``, of chunks that no longer exist."""
        rows = self._rows("SELECT key FROM removed_chunks WHERE key <= ? ORDER BY key", (up_to,))
        return np.array([row[0] for row in rows], dtype=np.int64)

    def matching_keys(self, filters: Filters) -> np.ndarray:
        """Return the int64 keys, ascending, of the chunks whose article passes ``filters``."""
        conditions, values = ["1"], list[str]()
        if filters.date_from is not None:
            conditions.append("published_at >= ?")
            values.append(filters.date_from.isoformat())
        if filters.date_to is not None:
            conditions.append("published_at <= ?")
            values.append(filters.date_to.isoformat())
        if filters.sources:
            conditions.append(f"source_key IN ({_marks(filters.sources)})")
            values += [source_key(source) for source in filters.sources]
        rows = self._rows(
            "SELECT key FROM chunks WHERE article_id IN (SELECT id FROM articles WHERE "
            f"{' AND '.join(conditions)}) ORDER BY key",
            values,
        )
        return np.array([row[0] for row in rows], dtype=np.int64)

    # Changes, each inside a transaction of the caller

    def put(self, article: Article, location: str, chunks: Sequence[Chunk], vectors: np.ndarray) -> Change:
        """Store what was read at ``location`` and say what that changed.

        ``vectors``: float32 ``(len(chunks), dimension)``; both may be empty if the article is stored already.
        The article that was there before stays until ``drop_orphans``.
        """
        before = self.article_at(location)
        known = self.has_article(article.id)
        if before == article.id:
            self._run(
                "UPDATE files SET path = ?, external_id = ? WHERE location = ?",
                (article.path, article.external_id, location),
            )
            return "unchanged"
        if not known:
            self._insert(article, chunks, vectors)
        self._run(
            "INSERT INTO files (location, path, external_id, article_id) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (location) DO UPDATE SET path = excluded.path, external_id = excluded.external_id, "
            "article_id = excluded.article_id",
            (location, article.path, article.external_id, article.id),
        )
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
        }
        for name, value in described.items():
            self._run("UPDATE meta SET value = ? WHERE name = ?", (value, name))

    def move(self, old_location: str, new_location: str) -> None:
        """Say that a file is now elsewhere, for instance because its folder was renamed."""
        self._run("UPDATE OR IGNORE files SET location = ? WHERE location = ?", (new_location, old_location))

    def forget(self, location: str) -> bool:
        """Drop a file; return whether its article went with it, no other file having it."""
        owner = self.article_at(location)
        self._run("DELETE FROM files WHERE location = ?", (location,))
        return owner is not None and self._drop_if_orphan(owner)

    def remove(self, article_id: str) -> None:
        """Drop an article with its chunks, vectors and files."""
        self._run("DELETE FROM articles WHERE id = ?", (article_id,))

    def purge_removed_keys(self, *, up_to: int) -> None:
        """Forget removed keys that the newest snapshot no longer holds. No change of content."""
        with self._lock, _reporting(self._path):
            self._connection.execute("DELETE FROM removed_chunks WHERE key <= ?", (up_to,))

    def verify(self) -> list[str]:
        """Return what is wrong with the database, in words; empty if nothing is."""
        problems = [str(row[0]) for row in self._rows("PRAGMA integrity_check") if row[0] != "ok"]
        problems += [f"a row of {row[0]} refers to nothing" for row in self._rows("PRAGMA foreign_key_check")]
        size = int(self.fingerprint()["dimension"]) * 2
        rows = self._rows(
            "SELECT article_id, ordinal FROM chunks JOIN articles ON id = article_id "
            "WHERE start < 0 OR end <= start OR end > length(text) OR length(vector) != ?",
            (size,),
        )
        problems += [
            f"chunk {owner}-{ordinal} has impossible offsets or a vector of the wrong size"
            for owner, ordinal in rows
        ]
        rows = self._rows("SELECT id FROM articles WHERE id NOT IN (SELECT article_id FROM files)")
        return problems + [f"article {row[0]} has no file" for row in rows]

    def _insert(self, article: Article, chunks: Sequence[Chunk], vectors: np.ndarray) -> None:
        if len(chunks) != len(vectors):
            raise ValueError(f"{len(chunks)} chunks need as many vectors, got shape {vectors.shape}")
        self._run(
            "INSERT INTO articles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                article.id,
                article.title,
                article.text,
                article.source,
                source_key(article.source) if article.source else None,
                article.place,
                article.published_at.isoformat() if article.published_at else None,
                int(article.date_inferred),
                article.url,
            ),
        )
        self._run("DELETE FROM successors WHERE old_id = ?", (article.id,))
        self._connection.executemany(
            "INSERT INTO chunks (article_id, ordinal, start, end, vector) VALUES (?, ?, ?, ?, ?)",
            [
                (article.id, chunk.ordinal, chunk.start, chunk.end, vector.astype(np.float16).tobytes())
                for chunk, vector in zip(chunks, vectors, strict=True)
            ],
        )

    def _drop_if_orphan(self, article_id: str) -> bool:
        if self._rows("SELECT 1 FROM files WHERE article_id = ?", (article_id,)):
            return False
        self.remove(article_id)
        return True

    def _run(self, statement: str, values: Sequence[Any] = ()) -> None:
        self._connection.execute(statement, values)

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, _reporting(self._path):
            return self._connection.execute(statement, values).fetchall()


def source_key(source: str) -> str:
    """Return the form in which outlets are compared: without case and outer blanks."""
    return source.strip().casefold()


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # A folder we may not write to cannot hold the WAL's shared memory; nobody writes there, so it is not needed.
    frozen = (
        mode == "ro"
        and not os.access(path.parent, os.W_OK)
        and not path.with_name(path.name + "-wal").exists()
    )
    uri = f"{path.absolute().as_uri()}?mode={mode}{'&immutable=1' if frozen else ''}"
    with _reporting(path):
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
        if mode != "ro":
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _has_schema(path: Path) -> bool:
    """Whether the file got as far as a schema; a process killed while creating leaves an empty database."""
    connection = _connect(path, "ro")
    try:
        with _reporting(path):
            return bool(connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone())
    finally:
        connection.close()


@contextmanager
def _reporting(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError:
        raise  # a full disk or a busy database is no damage
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError):
            raise
        raise IndexCorruptError(
            f"{path} is damaged ({error}). Restore it from a copy, or make it anew: "
            f"tanya index PATH --index {path.parent} --rebuild"
        ) from error


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _parts(values: Sequence[T], size: int = 500) -> Iterator[list[T]]:
    for start in range(0, len(values), size):
        yield list(values[start : start + size])


def _marks(values: Iterable[object]) -> str:
    return ", ".join("?" for _ in values)


def _date(value: str | None) -> date | None:
    return date.fromisoformat(value) if value else None


def _vector(blob: bytes) -> np.ndarray:
    vector = np.frombuffer(blob, dtype=np.float16).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _article(row: Sequence[Any]) -> Article:
    key, title, text, source, place, published_at, inferred, url, path, external_id, _ = row
    return Article(
        key, title, text, source, place, _date(published_at), bool(inferred), url, path, external_id
    )
