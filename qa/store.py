"""SQLite: the one truth about articles, their files, chunks and vectors. Reading it is here, changing it is in
``qa.writable_store``.

Knows rows; knows nothing of models, FAISS, BM25 or questions. Vectors are stored as float16.
A chunk has a ``key``: a positive integer that is never used twice, by which derived indexes name it.
Rows that end up before a user carry a digest, because SQLite hands out a flipped bit as data.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np

from qa.database import connect, damaged, has_table, reporting
from qa.errors import IndexCorruptError, IndexMismatchError, IndexMissingError
from qa.types import Article, Chunk, Filters

SCHEMA_VERSION = "2"
DATABASE = "tanya.db"

T = TypeVar("T")


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
    """The database of one index folder, opened for reading. Safe to use from several threads."""

    _mode: ClassVar[Literal["ro", "rw"]] = "ro"

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the store in ``folder``.

        Raises:
            IndexMissingError: there is none.
            IndexMismatchError: its schema is of another version.
            IndexCorruptError: it is no database, or a damaged one.
            StoreError: it cannot be opened.
        """
        path = folder / DATABASE
        # A process killed while it made the store leaves a database without tables.
        if not path.exists() or not has_table(path, "meta"):
            raise IndexMissingError(f"no index in {folder}. Make one: tanya index PATH --index {folder}")
        store = cls(path, connect(path, cls._mode))
        try:
            version = store.meta("schema")
            if version != SCHEMA_VERSION:
                raise IndexMismatchError(
                    f"the index in {folder} has schema {version}, this Tanya reads {SCHEMA_VERSION}. "
                    f"Make it anew: tanya index PATH --index {folder} --rebuild"
                )
            store.fingerprint(), store.generation()
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the connection; the store is of no use afterwards."""
        self._connection.close()

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error:
            # Closing rolls back too, and nothing can be taken for part of the failed transaction afterwards.
            self._connection.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Everything read inside is of one generation. May be nested, also in a transaction."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            try:
                self._run("BEGIN")
                yield
                self._run("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def meta(self, name: str) -> str:
        """Return the value of ``name``: schema, identity, model, fingerprint (JSON), generation or snapshot."""
        rows = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        if not rows:
            raise damaged(self._path, f"it has no {name}")
        return str(rows[0][0])

    def fingerprint(self) -> dict[str, str]:
        """Return the fingerprint of the model that made the vectors."""
        try:
            found = {str(name): str(value) for name, value in json.loads(self.meta("fingerprint")).items()}
            if int(found["dimension"]) > 0:
                return found
        except (ValueError, AttributeError, KeyError):
            pass
        raise damaged(self._path, "the fingerprint of its model cannot be read")

    def dimension(self) -> int:
        """Return the length of a vector."""
        return int(self.fingerprint()["dimension"])

    def generation(self) -> int:
        """Return the number of the last committed transaction."""
        value = self.meta("generation")
        if not value.isdecimal():
            raise damaged(self._path, f"its generation is {value!r}")
        return int(value)

    def snapshot(self) -> str:
        """Return the name of the snapshot recorded last; empty if none."""
        return self.meta("snapshot")

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
                "SELECT id, title, text, source, place, published_at, date_inferred, url, articles.digest, "
                "min(number), location, path, external_id, files.digest "
                f"FROM articles JOIN files ON article_id = id WHERE id IN ({_marks(part)}) GROUP BY id",
                part,
            )
            for row in rows:
                article, file = row[:8], row[10:13]
                if row[8] != digest(article) or row[13] != digest((*file, row[0])):
                    raise damaged(self._path, f"article {row[0]!r} does not match its checksum")
                found[row[0]] = _article(article, *file[1:])
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

    def names(self) -> list[tuple[str, str | None, str]]:
        """Return ``(path, external_id, article_id)`` of every file, oldest first."""
        return self._rows("SELECT path, external_id, article_id FROM files ORDER BY number")

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
        with self.reading():
            rows = [
                row for part in _parts(keys) for row in self._chunk_rows(f"key IN ({_marks(part)})", part)
            ]
            articles = self._owners(rows)
        return {
            row[0]: (
                Chunk(
                    id=f"{row[1]}-{row[2]}",
                    article_id=row[1],
                    ordinal=row[2],
                    text=articles[row[1]].text[row[3] : row[4]],
                    start=row[3],
                    end=row[4],
                ),
                articles[row[1]],
            )
            for row in rows
        }

    def chunk_rows(self, *, after: int = 0, batch: int = 4096) -> Iterator[ChunkRow]:
        """Yield the chunks with a key above ``after`` in the order of their keys."""
        while True:
            with self.reading():
                rows = self._chunk_rows("key > ? ORDER BY key LIMIT ?", (after, batch))
                articles = self._owners(rows)
            for key, owner, _, start, end, blob, _ in rows:
                article = articles[owner]
                yield ChunkRow(
                    key,
                    article.text[start:end],
                    article.title,
                    article.published_at,
                    article.source,
                    _vector(blob),
                )
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

    def verify(self) -> list[str]:
        """Return what is wrong with the database, in words; empty if nothing is."""
        try:
            return list(self._problems())
        except IndexCorruptError as error:
            return [str(error)]

    def _problems(self) -> Iterator[str]:
        yield from (str(row[0]) for row in self._rows("PRAGMA integrity_check") if row[0] != "ok")
        yield from (f"a row of {row[0]} refers to nothing" for row in self._rows("PRAGMA foreign_key_check"))
        for row in self._rows("SELECT id FROM articles WHERE id NOT IN (SELECT article_id FROM files)"):
            yield f"article {row[0]} has no file"
        for row in self._rows("SELECT location, path, external_id, article_id, digest FROM files"):
            if row[4] != digest(row[:4]):
                yield f"file {row[0]!r} does not match its checksum"
        for row in self._rows("SELECT id, source, source_key FROM articles"):
            if row[2] != (source_key(row[1]) if row[1] else None):
                yield f"article {row[0]} is filed under the outlet {row[2]!r}"
        size = 2 * self.dimension()
        last = self.max_key()
        after = 0
        while rows := self._chunk_rows("key > ? ORDER BY key LIMIT 4096", (after,)):
            articles = self._owners(rows)
            for key, owner, ordinal, start, end, blob, _ in rows:
                sound = 0 <= start < end <= len(articles[owner].text) and len(blob) == size and key <= last
                if not sound:
                    yield f"chunk {owner}-{ordinal} has an impossible key, offsets or vector"
            after = rows[-1][0]

    def _chunk_rows(self, condition: str, values: Sequence[Any]) -> list[Any]:
        """Return ``(key, article_id, ordinal, start, end, vector, digest)`` of chunks, digests compared."""
        rows = self._rows(
            "SELECT key, article_id, ordinal, start, end, vector, digest FROM chunks WHERE " + condition,
            values,
        )
        for row in rows:
            if row[6] != digest(row[1:6]):
                raise damaged(self._path, f"chunk {row[1]}-{row[2]} does not match its checksum")
        return rows

    def _owners(self, rows: Iterable[Sequence[Any]]) -> dict[str, Article]:
        owners = {row[1] for row in rows}
        articles = self.articles(sorted(owners))
        if missing := owners - articles.keys():
            raise damaged(self._path, f"article {min(missing)!r} is gone, but its chunks are not")
        return articles

    def _run(self, statement: str, values: Sequence[Any] = ()) -> None:
        with reporting(self._path):
            self._connection.execute(statement, values)

    def _rows(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock, reporting(self._path):
            return self._connection.execute(statement, values).fetchall()


def source_key(source: str) -> str:
    """Return the form in which outlets are compared: without case and outer blanks."""
    return source.strip().casefold()


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


def _article(row: Sequence[Any], path: str, external_id: str | None) -> Article:
    key, title, text, source, place, published_at, inferred, url = row
    return Article(
        key, title, text, source, place, _date(published_at), bool(inferred), url, path, external_id
    )


def digest(values: Sequence[Any]) -> bytes:
    """Return 8 bytes that tell whether the values of a row are those that were written (BLAKE2b of their repr)."""
    return hashlib.blake2b(repr(tuple(values)).encode("utf-8", "surrogatepass"), digest_size=8).digest()
