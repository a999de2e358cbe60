"""Derived indexes on disk: a snapshot of the store at one generation.

A snapshot is written to a new folder, fsynced, described by a manifest with checksums (written last) and
published by one rename, to a name that holds the manifest's own checksum. Then the store records that name: no
other snapshot is read, so one left from before a restored copy of the store, or from elsewhere, is never taken
for its own. A snapshot can always be made again from the store, so anything doubtful about it is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from embeddings.errors import EmbeddingError
from embeddings.vector_index import VectorIndex
from qa.errors import StoreError
from qa.lexical import LexicalIndex
from qa.locking import remove_folder
from qa.store import ChunkRow, Store
from qa.writable_store import WritableStore

SNAPSHOTS = "snapshots"
_MANIFEST = "manifest.json"
_VECTORS = "vectors.faiss"
_LEXICAL = "lexical"
_BATCH = 8192
_NAME = re.compile(r"\d{12,}-([0-9a-f]{64})")


class SnapshotError(StoreError):
    """A snapshot is missing a file or does not match its checksums."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot holds: the chunks with ``key <= max_key`` at ``generation``.

    ``store`` is the identity of the store; ``files`` maps names to SHA-256.
    """

    store: str
    generation: int
    max_key: int
    count: int
    dimension: int
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot verified and read: exact vector search in memory, BM25 in the private folder it was copied to."""

    manifest: Manifest
    vectors: VectorIndex
    lexical: LexicalIndex


def write_snapshot(store: Store, root: Path) -> Path:
    """Write the store's chunks as a snapshot into a new folder of ``root``, complete or not at all; return it."""
    building = root / f".building-{uuid.uuid4().hex}"
    try:
        manifest = _write_files(store, building)
        data = json.dumps(asdict(manifest), indent=1).encode()
        _write_synced(building / _MANIFEST, data)
        _sync_folder(building / _LEXICAL)
        _sync_folder(building)
        written = root / f"{manifest.generation:012d}-{hashlib.sha256(data).hexdigest()}"
        os.rename(building, written)
    except BaseException:
        remove_folder(building)
        raise
    _sync_folder(root)
    return written


def publish(index_folder: Path) -> Path:
    """Write a snapshot of the store and record it as the one to read; all others are deleted afterwards.

    The caller holds the writer lock. Returns the published folder.
    """
    root = index_folder / SNAPSHOTS
    store = WritableStore.open(index_folder)
    try:
        root.mkdir(exist_ok=True)
        _sync_folder(index_folder)
        published = write_snapshot(store, root)
        store.record_snapshot(published.name, up_to=read_manifest(published).max_key)
    finally:
        store.close()
    for other in root.iterdir():
        if other != published:
            remove_folder(other)
    return published


def snapshot_folder(index_folder: Path, name: str) -> Path:
    """Return the folder of the snapshot that the store recorded as ``name``, which may not exist."""
    return index_folder / SNAPSHOTS / name


def newest_manifest(store: Store, index_folder: Path) -> Manifest | None:
    """Return the manifest of the store's snapshot, if it can be read; its files are not checked."""
    try:
        return read_manifest(snapshot_folder(index_folder, store.snapshot()))
    except SnapshotError:
        return None


def read_snapshot(folder: Path, private: Path) -> Snapshot:
    """Verify the snapshot in ``folder`` and read it; its lexical part is copied to the new folder ``private``.

    tantivy takes locks and may write in the folder it opens, so the published one stays untouched.

    Raises:
        SnapshotError: a file is missing or differs from its checksum.
    """
    manifest = read_manifest(folder)
    try:
        private.mkdir(parents=True)
        for name, checksum in manifest.files.items():
            if name != _VECTORS:
                data = (folder / name).read_bytes()
                _check(data, checksum, folder / name)
                (private / Path(name).name).write_bytes(data)
        vectors = VectorIndex.load(folder / _VECTORS, sha256=manifest.files[_VECTORS])
        lexical = LexicalIndex.open(private)
    except (OSError, ValueError, RuntimeError, EmbeddingError) as error:
        raise SnapshotError(f"{folder} cannot be read ({error})") from error
    if not len(vectors) == len(lexical) == manifest.count:
        raise SnapshotError(
            f"{folder} holds {len(vectors)} vectors and {len(lexical)} texts, not {manifest.count}"
        )
    return Snapshot(manifest, vectors, lexical)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of the snapshot in ``folder``; raises ``SnapshotError`` if it is missing or altered."""
    name = _NAME.fullmatch(folder.name)
    if name is None:
        raise SnapshotError(f"{folder} is no snapshot")
    try:
        data = (folder / _MANIFEST).read_bytes()
    except OSError as error:
        raise SnapshotError(f"{folder / _MANIFEST} cannot be read ({error.strerror})") from error
    # Parsed only as what was written here: a forged manifest could name files anywhere.
    _check(data, name.group(1), folder / _MANIFEST)
    return Manifest(**json.loads(data))


def _write_files(store: Store, folder: Path) -> Manifest:
    (folder / _LEXICAL).mkdir(parents=True)
    with store.reading():
        identity, generation, max_key = store.meta("identity"), store.generation(), store.max_key()
        vectors = VectorIndex.empty(store.dimension())
        LexicalIndex.create(folder / _LEXICAL).updated(_adding_vectors(store, vectors))
    vectors.save(folder / _VECTORS)
    files = {name: _fsynced_checksum(folder / name) for name in _file_names(folder)}
    return Manifest(identity, generation, max_key, len(vectors), vectors.dimension, files)


def _adding_vectors(store: Store, vectors: VectorIndex) -> Iterator[ChunkRow]:
    """Pass the store's chunks on, adding their vectors to ``vectors`` batch by batch on the way."""
    rows = store.chunk_rows()
    while batch := list(islice(rows, _BATCH)):
        vectors.add(
            np.array([row.key for row in batch], dtype=np.int64), np.stack([row.vector for row in batch])
        )
        yield from batch


def _file_names(folder: Path) -> list[str]:
    paths = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def _check(data: bytes, checksum: str, path: Path) -> None:
    if hashlib.sha256(data).hexdigest() != checksum:
        raise SnapshotError(f"{path} does not match its checksum")


def _fsynced_checksum(path: Path) -> str:
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open a folder; its renames are journalled
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
